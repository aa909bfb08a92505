-- What every script starts with: short names, the clock, the forms of ids.
-- ARGV[1] is always the key root. Times are milliseconds of the server's own clock.
-- k_job, k_leases and the like stand for keys: the loader replaces each call of one by the text that makes
-- the key, from the table in store/keys.py.
local P = ARGV[1]
local call = redis.call

-- One moment for the whole script.
local moment
local function now_ms()
  if not moment then
    local t = call('TIME')
    moment = t[1] * 1000 + math.floor(t[2] / 1000)
  end
  return moment
end

local ENDED = { completed = true, failed = true, cancelled = true }

-- A key that was written after the job's end goes when the job does. One that is to be undone has no time to live
-- until that begins.
local function stay_with(job, key)
  local ms = ENDED[job.status] and call('PTTL', k_job(job.id)) or -1
  if ms >= 0 then call('PEXPIRE', key, math.max(1, ms)) end
end

-- 'n.r.s' or 'n.r.s.k' -> routine index and slot index, as strings.
local function routine_of(invocation)
  local r, s = string.match(invocation, '^%d+%.(%d+)%.(%d+)')
  return r, s
end

-- Whether it has the form of an invocation.
local function is_invocation(text)
  return text ~= nil and string.match(text, '^%d+%.%d+%.%d+%.?%d*$') ~= nil
end

-- 'id/invocation' or 'id/invocation/token' -> its parts.
local function parts_of(member)
  local id, invocation, token = string.match(member, '^([^/]+)/([^/]+)/?(.*)$')
  return id, invocation, token
end
