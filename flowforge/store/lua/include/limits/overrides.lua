-- What operators have set for limits.

-- The settings that are in force: of each, what the last text has that has it. texts: of the code, of the limit and
-- of the key; what follows: the settings of the first one.
local function override(texts, ...)
  local found = { ... }
  for i = 2, 3 do
    local place = 1
    for value in string.gmatch(texts[i] or '', '%S+') do
      if place <= 7 and value ~= '-' then found[place] = value end
      place = place + 1
    end
  end
  return unpack(found, 1, 7)
end
