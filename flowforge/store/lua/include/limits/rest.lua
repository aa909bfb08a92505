-- A limit rests: it lets no start happen before a time.
--@include base, shared, park, history, attempt, settle, limits/step, limits/wait

-- Lets the limits of an invocation rest whose attempt was told to come later, or the one of a name. The attempt does
-- not count, and the invocation is the next of its key. False: it has no such limit.
local function let_rest(job, invocation, name, until_ms, micros, details, waited, now)
  local keys = {}
  for _, key in ipairs(keys_of(job, invocation) or {}) do
    if name == '' or string.match(key, '^[^/]+') == name then keys[#keys + 1] = key end
  end
  if not keys[1] then return false end
  for _, key in ipairs(keys) do
    local state = k_limit_state(key)
    if tonumber(shared('HGET', state, 'rest') or 0) < until_ms then
      shared('HSET', state, 'rest', string.format('%d', until_ms))
      at_key(key).rest = until_ms
    end
    call('PEXPIRE', state, math.max(until_ms - now + 1000, call('PTTL', state)))
    --@include timers
    set_timer(until_ms, LIMITS, 'limit', key)
  end
  call('HINCRBY', k_claims(job.id), invocation, -1)
  count_attempt(job, routine_of(invocation), 'released', 'pending', micros, now)
  remember(job, 'limit_rests', invocation, details, nil, waited)
  if job.status == 'paused' then
    park(job, invocation)
  else
    local first = shared('ZRANGE', k_limit_waiters(keys[1]), 0, 0, 'WITHSCORES')
    local number = first[2] and first[2] - 1 or next_waiter(now)
    give_number(job, invocation, number)
    wait_at(job, invocation, at_key(keys[1]), number, now)
  end
  settle(job, now)
  return true
end
