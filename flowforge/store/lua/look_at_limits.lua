-- Looks at the keys of limits whose turn it is: takes places away that nothing holds, lets waiters in, and forgets keys
-- at which there is nothing.
-- In:  most keys; milliseconds after which what waits first starves
-- Out: {keys looked at, places that nothing held}
--@include base, members, state, shared, job_row, full, damaged, limits/step, limits/moved, limits/promises
local most, patience = tonumber(ARGV[2]), tonumber(ARGV[3])

-- Places of a key that one look checks of each kind, the oldest: what nothing holds becomes the oldest.
local CHECKED = 100

-- Milliseconds for which a message keeps its place: one that is not claimed by then may wait for long.
local KEPT = 10000

local now, looked, lost = now_ms(), 0, 0

local function is_held(member)
  spent = spent + 0.05
  local id, invocation, token = parts_of(member)
  if not invocation then return false end
  if token ~= '' then return call('ZSCORE', k_leases(), member) end
  local job, kept = load_job(id), string.sub(member, -1) == '/'
  if not job then return false end
  -- What is tied to no attempt goes with a job that does not go on, when the handlers that still run have ended.
  if invocation == WHOLE_JOB then
    -- One that is to be undone has its place until that has ended.
    return not job.held and (not ENDED[job.status] or call('HGET', k_job(id), 'undo') == 'waits')
  end
  local halted = ENDED[job.status] or job.status == 'paused'
  if kept and halted then return job.running > 0 end
  return job.status ~= 'failed' and call('HEXISTS', k_invocations(id), invocation) == 1
end

local function drop_lost(key)
  local at = at_key(key)
  local places = at.places
  for _, member in ipairs(shared('ZRANGEBYSCORE', places, '(0', '+inf', 'LIMIT', 0, CHECKED)) do
    if not is_held(member) then
      remove_places(at, member)
      lost = lost + 1
    end
  end
  for _, member in ipairs(shared('ZREVRANGEBYSCORE', places, '(0', '-inf', 'LIMIT', 0, CHECKED)) do
    if tonumber(shared('ZSCORE', places, member)) > KEPT - now or not is_held(member) then
      remove_places(at, member)
    end
  end
end

-- Hooks hear once of a key whose first waiter waits for long, until none does.
local function tell_of_starving(key)
  local first = shared('ZRANGE', k_limit_waiters(key), 0, 0, 'WITHSCORES')
  local since = first[1] and math.floor(first[2] / 100)
  if not since or now - since < patience then
    shared('HDEL', k_limit_starving(), key)
  elseif shared('HSETNX', k_limit_starving(), key, since) == 1 and call('EXISTS', k_hooks()) == 1 then
    --@include outbox
    local id, invocation = parts_of(first[1])
    if invocation == WHOLE_JOB then invocation = '' end
    -- The keys of one limit are told together, those of different limits are not.
    local sample = { '', 'LimitStarving', string.match(key, '^[^/]+'), key }
    tell_hooks('starving', { id = id }, invocation, sample, now)
  end
end

local function look_at(key)
  drop_lost(key)
  --@include limits/hand_on
  hand_on(at_key(key), now)
  tell_of_starving(key)
  if call('EXISTS', k_limit_places(key), k_limit_waiters(key)) == 0 and kept_before(at_key(key)) == 0 then
    shared('ZREM', k_limit_keys(), key)
  else
    shared('ZADD', k_limit_keys(), now + LOOK, key)
  end
end

write_though_full()
local turn = shared('ZRANGEBYSCORE', k_limit_keys(), '-inf', now, 'LIMIT', 0, most)
-- The clock has been set back since the next look at these was planned.
local beyond = shared('ZRANGEBYSCORE', k_limit_keys(), '(' .. now + PUT_OFF, '+inf', 'LIMIT', 0, most - #turn)
for _, key in ipairs(beyond) do turn[#turn + 1] = key end
for _, key in ipairs(turn) do
  if spent >= 128 then break end
  looked = looked + 1
  handle_member('limits', k_limit_keys(), key, now + PUT_OFF, look_at)
end
return { looked, lost }
