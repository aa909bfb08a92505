-- What a limit allows at one of its keys. A key is 'name', or 'name/value' of a limit that counts apart for each
-- value of a param. Its places are members of one sorted set: leases ('job/invocation/token') and what an
-- invocation keeps across its attempts ('job/invocation/'), by the time of the start; and what has a message that
-- is not claimed yet ('job/invocation'), by the negative time of the push. So a message travels only with a place.
--@include base, members, shared, damaged

-- Milliseconds by which a start is granted early; the worker waits for the rest. As long as the upkeep rests
-- between two looks for due timers: else it could let in no more than one each time.
local AHEAD = 250

-- Stands for a job that has places of the limits of its flow: no invocation has the number 0.
local WHOLE_JOB = '0.0.0'

-- Milliseconds between two looks of the upkeep at a key.
local LOOK = 5000

-- The settings of a limit, in their order in a text; '-': not set there, '*': without bound.
local SETTINGS = { 'running', 'rate', 'period', 'burst', 'full', 'tied', 'state' }

-- Key -> what is in force for it, as far as it was needed.
local limit_settings = {}

-- The keys of an invocation, in their order, or nil; and its number, if it has waited.
local function keys_of(job, invocation)
  local f = call('HMGET', k_limited(job.id), invocation, 'n' .. invocation)
  if not f[1] then return nil end
  local keys = {}
  for key in string.gmatch(f[1], '[^\n]+') do keys[#keys + 1] = key end
  return keys, tonumber(f[2] or nil)
end

-- What is in force at a key: of each setting, what the operator has set for the key, else for the limit, else
-- what the code says.
local function settings_of(key)
  local found = limit_settings[key]
  if found then return found end
  local name = string.match(key, '^[^/]+')
  found = { full = 'wait', tied = 'attempt' }
  local texts = redis.pcall('HMGET', k_limits(), '=' .. name, name, key)
  if texts.err then
    -- Not moved aside: without what an operator has set, more would run than may.
    record_damaged('limits', key, tostring(texts.err))
    texts = { '0' }
  end
  for _, text in ipairs(texts) do
    if text then
      local at = 1
      for value in string.gmatch(text, '%S+') do
        if SETTINGS[at] and value ~= '-' then found[SETTINGS[at]] = value end
        at = at + 1
      end
    end
  end
  found.running = tonumber(found.running)
  local rate = tonumber(found.rate)
  found.burst = tonumber(found.burst) or 1
  if rate and rate > 0 then found.interval = (tonumber(found.period) or 1000) / rate end
  if rate == 0 then found.running = 0 end
  found.off = found.state == 'off'
  limit_settings[key] = found
  return found
end

-- The theoretical arrival time of a rate, as it is kept; not later than what is in force now can have made it: after a
-- change nothing waits for a time of the former rate.
local function tat_of(key, kept, settings, now)
  local tat, latest = tonumber(kept or 0), now + AHEAD + settings.burst * settings.interval
  if tat <= latest then return tat end
  shared('HSET', k_limit_state(key), 'tat', string.format('%.3f', latest))
  return latest
end

-- When the rate allows the next start, behind `reserved` others; and when the limit rests no more, or nil. A time
-- before now means that several may start at once.
local function next_start(key, settings, reserved, now)
  local f = shared('HMGET', k_limit_state(key), 'tat', 'rest')
  local rest = tonumber(f[2] or 0)
  if rest > now then return rest, rest end
  if not settings.interval then return now end
  return math.max(tat_of(key, f[1], settings, now), now) + (reserved - settings.burst + 1) * settings.interval
end

-- What waits at one key while a place of another is kept for it: {number, member, where it waits}, or nil.
local function promise_at(key)
  local number, member, at = string.match(shared('HGET', k_limit_promises(), key) or '', '^(%d+) (%S+) (.*)$')
  return number and { number = tonumber(number), member = member, at = at }
end

-- How many places of a key are kept for what came earlier: one at most. number: of who asks, nil: it comes now.
local function kept_before(key, number)
  local promise = promise_at(key)
  if not promise or number and number <= promise.number then return 0 end
  local id = parts_of(promise.member)
  local status = shared('ZSCORE', k_limit_waiters(promise.at), promise.member) and call('HGET', k_job(id), 'status')
  if status == 'running' or status == 'pending' then return 1 end
  shared('HDEL', k_limit_promises(), key)
  return 0
end

-- Keeps the next place of a key for what has waited longest of all for which one is kept.
local function promise(key, number, member, at)
  local former = promise_at(key)
  if former and former.number < number then return end
  shared('HSET', k_limit_promises(), key, string.format('%d %s %s', number, member, at))
end

-- How many more may be let in now, behind those that have a message; when one may that cannot now, if that is
-- a matter of time. number: as kept_before takes it.
local function room_at(key, now, number)
  local settings = settings_of(key)
  if settings.off then return math.huge end
  local room, kept = math.huge, kept_before(key, number)
  if settings.running then room = settings.running - shared('ZCARD', k_limit_places(key)) - kept end
  if room <= 0 then return 0 end
  local reserved = settings.interval and shared('ZCOUNT', k_limit_places(key), '-inf', '(0') + kept or 0
  local start, rests = next_start(key, settings, reserved, now)
  if rests or start > now + AHEAD then return 0, math.ceil(rests or start - AHEAD) end
  if not settings.interval then return room end
  return math.min(room, math.floor((now + AHEAD - start) / settings.interval) + 1)
end

-- Gives a message a place until it is claimed.
local function reserve(key, member, now)
  shared('ZADD', k_limit_places(key), -now, member)
  shared('ZADD', k_limit_keys(), 'NX', now + LOOK, key)
end

-- The next number of a waiter: ascending over all keys, and a time in hundredths of a millisecond.
local function next_waiter(now)
  local number = redis.pcall('INCR', k_limit_number())
  if type(number) == 'number' and number >= now * 100 then return number end
  call('SET', k_limit_number(), string.format('%d', now * 100))
  return now * 100
end

-- Lets an invocation wait at a key, in the order of when it first did. wake: as room_at has it.
local function wait_at(job, invocation, key, number, now, wake)
  if not number then
    number = next_waiter(now)
    call('HSET', k_limited(job.id), 'n' .. invocation, string.format('%d', number))
  end
  shared('ZADD', k_limit_waiters(key), number, job.id .. '/' .. invocation)
  shared('ZADD', k_limit_keys(), 'NX', now + LOOK, key)
  job.at_limits = job.at_limits + 1
  if wake then
    --@include timers
    set_timer(wake, LIMITS, 'limit', key)
  end
end
