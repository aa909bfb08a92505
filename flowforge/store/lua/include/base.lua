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

-- 'n.r.s' or 'n.r.s.k' -> routine index, slot index and k or '', as strings.
local function routine_of(invocation)
  return string.match(invocation, '^%d+%.(%d+)%.(%d+)%.?(%d*)')
end
