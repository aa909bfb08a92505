-- Waiting at a key for a place.
--@include base, shared, push, layout, limits/step

-- The next number of a waiter: ascending over all keys, and a time in hundredths of a millisecond.
local function next_waiter(now)
  local number = redis.pcall('INCR', k_limit_number())
  if type(number) == 'number' and number >= now * 100 then return number end
  call('SET', k_limit_number(), string.format('%d', now * 100))
  return now * 100
end

local function add_waiter(at, number, member)
  shared('ZADD', k_limit_waiters(at.key), number, member)
  at.waits = true
end

-- Whether it has waited there.
local function remove_waiter(at, member)
  at.waits = nil
  return shared('ZREM', k_limit_waiters(at.key), member) > 0
end

-- The number by which an invocation waits from now on. Readers find its keys beside it.
local function give_number(job, invocation, number)
  call('HSET', k_limited(job.id), 'n' .. invocation, string.format('%d', number))
  if invocation ~= WHOLE_JOB then
    local r, s = routine_of(invocation)
    local to = find_route(job, r, s)
    local fixed = to and fixed_keys(job, to, r, s)
    if fixed then call('HSET', k_limited(job.id), invocation, fixed) end
  end
  if job.created_at_limits then job.created_at_limits[invocation] = nil end
  if job.limited and not job.has_waited then
    job.has_waited = true
    if not job.unwritten then save_layout(job) end
  end
end

-- Lets an invocation wait at a key, in the order of when it first did. wake: as room_at has it.
local function wait_at(job, invocation, at, number, now, wake)
  if not number then
    number = next_waiter(now)
    give_number(job, invocation, number)
  end
  add_waiter(at, number, job.id .. '/' .. invocation)
  shared('ZADD', k_limit_keys(), 'NX', now + LOOK, at.key)
  job.at_limits = job.at_limits + 1
  if wake then
    --@include timers
    set_timer(wake, LIMITS, 'limit', at.key)
  end
end
