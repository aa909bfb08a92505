-- What an all-join waits for: an upstream routine that has something outstanding.
--@include base

-- At most `most` upstream routines from place `from` on; the first is at 0.
local function some_above(rule, from, most)
  local found, place = {}, 0
  for _, row in ipairs(rule.up) do
    for r = row[1] + math.max(0, from - place), row[2] do
      if #found == most then return found end
      found[#found + 1] = string.format('%d', r)
    end
    place = place + row[2] - row[1] + 1
  end
  return found
end

-- Place and routine of an upstream routine that has something outstanding, or nil when none has. The search
-- goes round from a place: what was found at rest there before may have work again.
local function blocker_of(job, rule, from)
  local seen, most = 0, 8
  while seen < rule.size do
    local at = (from + seen) % rule.size
    local some = some_above(rule, at, math.min(most, rule.size - seen))
    for i, n in ipairs(call('HMGET', k_outstanding(job.id), unpack(some))) do
      if tonumber(n or 0) > 0 then return at + i - 1, some[i], seen + i end
    end
    seen = seen + #some
    most = math.min(4 * most, 1000)
  end
  return nil, nil, seen
end
