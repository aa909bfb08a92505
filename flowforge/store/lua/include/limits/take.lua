-- In a claim: a place of each limit, until the lease ends.
--@include base, shared, limits/keys, limits/hand_on

-- Limits of one invocation: of its slot and of the connection.
local MOST_LIMITS = 16

-- Whether the limit takes no more at this key; when it may again; when the attempt may start. own: what is claimed
-- had a place as a message, which it has given back; number: as kept_before takes it.
local function is_full(key, settings, own, number, now)
  local places, kept = k_limit_places(key), own and 0 or kept_before(key, number)
  if settings.running then
    local taken = shared('ZCARD', places) + kept
    if taken >= settings.running and own then taken = taken - shared('ZCOUNT', places, '-inf', '(0') end
    if taken >= settings.running then return true end
  end
  local reserved = settings.interval and not own and shared('ZCOUNT', places, '-inf', '(0') + kept or 0
  local start, rests = next_start(key, settings, reserved, now)
  if rests or start > now + AHEAD then return true, math.ceil(rests or start - AHEAD) end
  return false, nil, start
end

-- own: as is_full takes it; then the upkeep looks at the key already.
local function take_at(key, settings, member, token, start, own, now)
  local holder = member .. '/' .. (settings.tied == 'invocation' and '' or token)
  shared('ZADD', k_limit_places(key), now, holder)
  if not own then shared('ZADD', k_limit_keys(), 'NX', now + LOOK, key) end
  if not settings.interval then return end
  local state = k_limit_state(key)
  local tat = math.max(tonumber(shared('HGET', state, 'tat') or 0), start) + settings.interval
  shared('HSET', state, 'tat', string.format('%.3f', tat))
  if call('PTTL', state) < tat - now then call('PEXPIRE', state, math.ceil(tat - now) + 1000) end
end

-- true, ms until the attempt may start, and ms that it has waited for a place; or false, the key that is full and
-- what the limit says of that: with 'wait' it waits there now.
local function take_places(job, invocation, token, now)
  local keys, number = keys_of(job, invocation)
  if not keys then return true, 0, 0 end
  local member, start, full, wake, pushed = job.id .. '/' .. invocation, now, nil, nil, nil
  local owned, wanted = {}, {}
  for _, key in ipairs(keys) do
    local settings, places = settings_of(key), k_limit_places(key)
    local kept = settings.tied == 'invocation' and shared('ZSCORE', places, member .. '/')
    local own = number and shared('ZSCORE', places, member)
    if own then pushed = -own end
    own = shared('ZREM', places, member) == 1
    if own then
      owned[#owned + 1] = key
      owned[key] = true
    end
    if not kept then
      wanted[#wanted + 1] = key
      if not settings.off and not full then
        local is, at, when = is_full(key, settings, own, number, now)
        if is then full, wake = key, at else start = math.max(start, when) end
      end
    end
  end
  if not full then
    for _, key in ipairs(wanted) do take_at(key, settings_of(key), member, token, start, owned[key], now) end
    if not number then return true, math.ceil(start - now), 0 end
    call('HDEL', k_limited(job.id), 'n' .. invocation, 'v' .. invocation)
    return true, math.ceil(start - now), math.max(0, math.floor((pushed or now) - number / 100))
  end
  local policy = settings_of(full).full
  -- With 'replace' a place is made, but none that the rate does not allow: it waits for that.
  if policy == 'wait' or policy == 'replace' and wake then
    policy = 'wait'
    wait_at(job, invocation, full, number, now, wake)
  end
  hand_on_all(owned, now)
  return false, full, policy
end
