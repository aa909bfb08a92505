-- What a script deletes itself, and what it leaves to the upkeep, which deletes it in pieces (delete.lua).
--@include base

-- Fields that a script deletes itself.
local FEW = 500

-- Deletes the fields name.first to name.last of a hash, many of them later.
local function delete_items(key, id, name, first, last)
  if last - first >= FEW then
    call('RPUSH', k_deletions(), string.format('%s %s %d %d', id, name, first, last))
    return
  end
  local fields = {}
  for i = first, last do fields[#fields + 1] = name .. '.' .. i end
  if fields[1] then call('HDEL', key, unpack(fields)) end
end
