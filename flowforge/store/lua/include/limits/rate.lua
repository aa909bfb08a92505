-- When a limit lets starts happen. Its rate is one number for each key, the theoretical arrival time of the generic cell
-- rate algorithm (GCRA, ITU-T I.371): the earliest time of the next start but for the burst.
--@include base, shared, limits/step

local function set_tat(at, tat)
  shared('HSET', k_limit_state(at.key), 'tat', string.format('%.3f', tat))
  at.tat = tat
end

-- When the rate allows the next start, behind `reserved` others; and when the limit rests no more, or nil. A time
-- before now means that several may start at once. at: with tat and rest, as room_at leaves it.
local function next_start(at, reserved, now)
  if at.rest > now then return at.rest, at.rest end
  if not at.interval then return now end
  -- Not later than what is in force now can have made it: after a change nothing waits for a time of the former rate.
  local latest = now + AHEAD + at.burst * at.interval
  if at.tat > latest then set_tat(at, latest) end
  return math.max(at.tat, now) + (reserved - at.burst + 1) * at.interval
end

-- As room_at. room: without regard to the rate; kept: places that are kept for others.
local function room_by_rate(at, room, kept, own, now)
  local reserved = at.interval and not own and shared('ZCOUNT', at.places, '-inf', '(0') + kept or 0
  local start, rests = next_start(at, reserved, now)
  if rests or start > now + AHEAD then return 0, math.ceil(rests or start - AHEAD) end
  if not at.interval then return room, nil, start end
  return math.min(room, math.floor((now + AHEAD - start) / at.interval) + 1), nil, start
end

-- A start at a key with a rate, at a time that room_at has given.
local function count_start(at, start, now)
  local state = k_limit_state(at.key)
  -- What is switched off has not been looked at.
  local tat = at.tat or tonumber(shared('HGET', state, 'tat') or 0)
  set_tat(at, math.max(tat, start) + at.interval)
  if call('PTTL', state) < at.tat - now then call('PEXPIRE', state, math.ceil(at.tat - now) + 1000) end
end
