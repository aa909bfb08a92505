-- What a step does at the limits at which it counts. A key is 'name', or 'name/value' of a limit that counts apart for each
-- value of a param. Its places are members of one sorted set: leases ('job/invocation/token') and what an
-- invocation keeps across its attempts ('job/invocation/'), by the time of the start; and what has a message that
-- is not claimed yet ('job/invocation'), by the negative time of the push. So a message travels only with a place.
-- All that a step needs while there is room stands here: a run makes each function of a file, and each reference between
-- two files, anew, which costs more than commands.
--@include base, state, shared, push

-- Milliseconds by which a start is granted early; the worker waits for the rest. As long as the upkeep rests
-- between two looks for due timers: else it could let in no more than one each time.
local AHEAD = 250

-- Stands for a job that has places of the limits of its flow: no invocation has the number 0.
local WHOLE_JOB = '0.0.0'

-- Milliseconds between two looks of the upkeep at a key.
local LOOK = 5000

-- The settings of a limit, in their order in a text: running, rate, period (ms), burst, full, tied, state; '-': not set
-- there, '*': without bound.
local SETTINGS = '^(%S+) (%S+) (%S+) (%S+) (%S+) (%S+) (%S+)'
-- The commonest: so many may run at once, and others wait.
local RUNNING_ALONE = '^(%d+) %- %- %- wait attempt %- '

-- Key -> what at_key has read of it.
local looked_at = {}

-- The keys at which every delivery to a slot counts, a line each, or false: of others, each has its own. to: its route.
local function fixed_keys(job, to, r, s)
  if to.limits == nil then to.limits = call('HGET', k_definition(job.def), 'l' .. r .. '.' .. s) end
  return to.limits
end

-- The keys of an invocation, in their order, in a table that the caller may use, or nil; and its number, if it has
-- waited. to: the route of r and s, its own, or nil when the definition has none.
local function keys_on(job, invocation, to, r, s)
  local text, number = to and (to.limits or fixed_keys(job, to, r, s)), nil
  if text then
    if job.has_waited then number = tonumber(call('HGET', k_limited(job.id), 'n' .. invocation) or nil) end
  else
    -- What this script has created has not waited.
    text = job.created_at_limits and job.created_at_limits[invocation]
    if not text then
      local f = call('HMGET', k_limited(job.id), invocation, 'n' .. invocation)
      text, number = f[1], tonumber(f[2] or nil)
      if not text then return nil end
    end
  end
  if not string.find(text, '\n', 1, true) then return { text }, number end
  local keys = {}
  for key in string.gmatch(text, '[^\n]+') do keys[#keys + 1] = key end
  return keys, number
end

local function keys_of(job, invocation)
  local r, s = routine_of(invocation)
  return keys_on(job, invocation, find_route(job, r, s), r, s)
end

-- What a script knows of a key, the same table each time. Who changes one of these in the store changes it here too.
-- In force, of each setting what the operator has set for the key, else for the limit, else what the code says:
-- running, interval (ms between two starts), burst, full, tied, off; false: none. As far as it was needed, else nil:
-- taken, how many places are; waits, whether anything waits; promise, for what a place is kept (promises.lua), or
-- false; tat and rest (rate.lua).
local function at_key(key)
  local at = looked_at[key]
  if at then return at end
  local name = string.match(key, '^[^/]+')
  local texts = redis.pcall('HMGET', k_limits(), '=' .. name, name, key)
  if texts.err then
    --@include damaged
    -- Not moved aside: without what an operator has set, more would run than may.
    record_damaged('limits', key, tostring(texts.err))
    texts = { '0 - - - - - -' }
  end
  local declared, overridden = texts[1] or '', texts[2] or texts[3]
  local running, rate, period, burst, full, tied, state = not overridden and string.match(declared, RUNNING_ALONE), nil
  if not running then
    running, rate, period, burst, full, tied, state = string.match(declared, SETTINGS)
    if overridden then
      --@include limits/overrides
      running, rate, period, burst, full, tied, state
        = override(texts, running, rate, period, burst, full, tied, state)
    end
    rate = tonumber(rate)
  end
  at = {
    key = key, places = k_limit_places(key), running = rate == 0 and 0 or tonumber(running) or false,
    interval = rate and rate > 0 and (tonumber(period) or 1000) / rate, burst = tonumber(burst) or 1,
    full = full and full ~= '-' and full or 'wait', tied = tied == 'invocation', off = state == 'off',
    taken = nil, waits = nil, promise = nil, tat = nil, rest = nil,
  }
  looked_at[key] = at
  return at
end

-- How many more may be let in now, behind those that have a message; when one may that cannot now, if that is
-- a matter of time; and when the first of them may start. number: of who asks, nil: it comes now; own: who asks had a
-- place as a message, which it has given back.
local function room_at(at, now, number, own)
  if at.off then return math.huge, nil, now end
  local room, kept = math.huge, 0
  if at.running then
    at.taken = at.taken or shared('ZCARD', at.places)
    room = at.running - at.taken
    -- Of fewer places than there were, those that run have them all.
    if room <= 0 and own then room = room + shared('ZCOUNT', at.places, '-inf', '(0') end
    if room <= 0 then return 0 end
  end
  -- One place is kept at most.
  if not own and (room == 1 or at.interval) then
    --@include limits/promises
    kept = kept_before(at, number)
    room = room - kept
    if room <= 0 then return 0 end
  end
  if not at.tat then
    local f = shared('HMGET', k_limit_state(at.key), 'tat', 'rest')
    at.tat, at.rest = tonumber(f[1] or 0), tonumber(f[2] or 0)
  end
  if not at.interval and at.rest <= now then return room, nil, now end
  --@include limits/rate
  return room_by_rate(at, room, kept, own, now)
end

-- listed: the upkeep looks at the key already, as at each that has more places.
local function add_place(at, score, member, listed)
  local added = shared('ZADD', at.places, score, member)
  if at.taken then at.taken = at.taken + added end
  if listed or at.taken and at.taken > 1 then return end
  shared('ZADD', k_limit_keys(), 'NX', now_ms() + LOOK, at.key)
end

-- Before a message is pushed: a place of each limit is taken at once, or its invocation waits for one. Whether the
-- message may be pushed.
local function admit(job, invocation)
  local keys, number = keys_of(job, invocation)
  if not keys then return true end
  local member, now = job.id .. '/' .. invocation, now_ms()
  for i = 1, #keys do
    local at = at_key(keys[i])
    -- Other policies are those of a claim, which finds the limit full.
    if at.full ~= 'wait' or at.tied and shared('ZSCORE', at.places, member .. '/') then
      keys[i] = false
    else
      keys[i] = at
      if at.waits == nil then at.waits = call('EXISTS', k_limit_waiters(at.key)) == 1 end
      local room, wake = 0, nil
      -- What comes later never overtakes.
      if at.off or not at.waits then room, wake = room_at(at, now, number) end
      if room <= 0 then
        spent = spent + 0.5
        --@include limits/wait
        wait_at(job, invocation, at, number, now, wake)
        return false
      end
    end
  end
  for i = 1, #keys do
    if keys[i] then add_place(keys[i], -now, member) end
  end
  return true
end

-- In a claim: a place of each limit, until the lease ends. to, r, s: as keys_on has them. true, ms until the attempt
-- may start, and ms that it has waited for a place; or false, the key that is full and what the limit says of that: with
-- 'wait' it waits there now.
local function take_places(job, invocation, token, now, to, r, s)
  local keys, number = keys_on(job, invocation, to, r, s)
  if not keys then return true, 0, 0 end
  local member, start, full, wake, pushed = job.id .. '/' .. invocation, now, nil, nil, nil
  -- kept: it has its place already; owned: its message had one.
  local kept, owned = { false }, { false }
  for i = 1, #keys do
    local at = at_key(keys[i])
    keys[i] = at
    kept[i] = at.tied and shared('ZSCORE', at.places, member .. '/')
    local since = number and shared('ZSCORE', at.places, member)
    if since then pushed = -since end
    owned[i] = shared('ZREM', at.places, member) == 1
    if owned[i] and at.taken then at.taken = at.taken - 1 end
    if not kept[i] and not full then
      local room, again, first = room_at(at, now, number, owned[i])
      if room <= 0 then full, wake = at, again elseif first > start then start = first end
    end
  end
  if full then
    --@include limits/full
    return false, full.key, be_refused(job, invocation, keys, owned, full, number, now, wake)
  end
  for i = 1, #keys do
    local at = keys[i]
    if not kept[i] then
      add_place(at, now, member .. '/' .. (at.tied and '' or token), owned[i])
      if at.interval then
        --@include limits/rate
        count_start(at, start, now)
      end
    end
  end
  if not number then return true, math.ceil(start - now), 0 end
  call('HDEL', k_limited(job.id), 'n' .. invocation, 'v' .. invocation)
  if to and to.limits then call('HDEL', k_limited(job.id), invocation) end
  return true, math.ceil(start - now), math.max(0, math.floor((pushed or now) - number / 100))
end

-- Takes the places of a lease away, for whoever has taken the lease; all of the invocation if it has come to rest:
-- it has ended, or is parked. Returns what hands them on, to be called behind the last change of the job, or nil.
local function give_back_places(job, invocation, token, rests)
  local keys = keys_of(job, invocation)
  if not keys then return nil end
  local member, freed = job.id .. '/' .. invocation .. '/', false
  for i = 1, #keys do
    local at = at_key(keys[i])
    -- A limit that is tied to the attempt now may have been tied to the invocation when the place was taken.
    local removed = shared('ZREM', at.places, member .. token, rests and member or member .. token)
    if at.taken then at.taken = at.taken - removed end
    freed = freed or removed > 0
    keys[i] = removed > 0 and at
  end
  return freed and function()
    for i = 1, #keys do
      local at = keys[i]
      if at then
        if at.waits == nil then at.waits = call('EXISTS', k_limit_waiters(at.key)) == 1 end
        if at.waits then
          --@include limits/hand_on
          hand_on(at, now_ms())
        end
      end
    end
  end
end
