-- What a limit allows at one of its keys. A key is 'name', or 'name/value' of a limit that counts apart for each
-- value of a param. Its places are members of one sorted set: leases ('job/invocation/token') and what an
-- invocation keeps across its attempts ('job/invocation/'), by the time of the start; and what has a message that
-- is not claimed yet ('job/invocation'), by the negative time of the push. So a message travels only with a place.
-- What most steps at a limit need is here and made of few functions and tables, which cost more than commands.
--@include base, shared, push

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

-- Key -> what at_key has read of it.
local looked_at = {}

-- The keys at which every delivery to a slot counts, a line each, or false: of others, each has its own. to: its route.
local function fixed_keys(job, to, r, s)
  if to.limits == nil then to.limits = call('HGET', k_definition(job.def), 'l' .. r .. '.' .. s) end
  return to.limits
end

-- The keys of an invocation, in their order, or nil; and its number, if it has waited.
local function keys_of(job, invocation)
  local r, s = routine_of(invocation)
  local to, number = find_route(job, r, s), nil
  local text = to and fixed_keys(job, to, r, s)
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
  local running, rate, period, burst, full, tied, state = string.match(texts[1] or '', SETTINGS)
  if texts[2] or texts[3] then
    --@include limits/overrides
    running, rate, period, burst, full, tied, state
      = overridden(texts, running, rate, period, burst, full, tied, state)
  end
  rate = tonumber(rate)
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
