-- Which open joins can still be filled by others, when nothing else is left.
--@include base, join_rules, join

local function is_above(rule, r)
  for _, row in ipairs(rule.up) do
    if r >= row[1] and r <= row[2] then return true end
  end
  return false
end

-- Every slot with open collections.
local function open_slots(job)
  local slots, from = {}, '-'
  while true do
    local places = call('ZRANGEBYLEX', k_opened(job.id), from, '+', 'LIMIT', 0, 100)
    if not places[1] then return slots end
    for _, place in ipairs(places) do
      local slot = split_field(place)
      if slot ~= slots[#slots] then slots[#slots + 1] = slot end
    end
    from = '[' .. slots[#slots] .. '0'
  end
end

-- Of these slots, those that wait for nothing but their own rule, now that only open collections are
-- outstanding. Those on one cycle do not wait for each other. As many as one script can handle.
local function first_in_line(job, slots)
  local found, open = {}, {}
  for _, slot in ipairs(slots) do open[tonumber(string.match(slot, '^%d+'))] = slot end
  local function waits(r, rule)
    local function blocks(above)
      return open[above] and not is_above(rule_of(job, open[above]), r)
    end
    -- Whichever are fewer: the routines above, or those with open collections.
    if rule.size > #slots then
      for above in pairs(open) do
        if is_above(rule, above) and blocks(above) then return true end
      end
      return false
    end
    for _, row in ipairs(rule.up) do
      for above = row[1], row[2] do
        if blocks(above) then return true end
      end
    end
    return false
  end
  for _, slot in ipairs(slots) do
    if not waits(tonumber(string.match(slot, '^%d+')), rule_of(job, slot)) then
      found[#found + 1] = slot
    end
    if #found == MOST_JOINS then break end
  end
  return found
end
