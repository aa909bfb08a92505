-- Mending by hand: only an invocation that is idle can be changed, one that is parked, also at a breakpoint or by the
-- pause of its queue, or on a timer.
--@include base, shared, lanes, push, timers, waits_for_child

-- Where an invocation of the job would be parked.
local function parked_list_of(job, invocation)
  if job.queues == 1 then return k_parked(job.id) end
  local lanes = lanes_of(job)
  return lanes.parked_list(lanes.name(find_route(job, routine_of(invocation))))
end

-- Whether an invocation has stopped at a breakpoint and was not let go.
local function is_stopped(job, invocation)
  return tonumber(call('ZSCORE', k_stopped(job.id), invocation) or 0) > 0
end

local function is_on_timer(job, invocation)
  return call('ZSCORE', k_timers(), timer_of(job.id, 'invocation', invocation))
end

-- Whether the job was put off and has not started; such a job has few invocations.
local function is_before_start(job)
  local f = call('HMGET', k_job(job.id), 'due', 'started')
  return f[1] and not f[2]
end

-- Whether an invocation is the one that such a job begins with.
local function is_first(job, invocation)
  return string.match(invocation, '^%d+') == '1' and is_before_start(job)
end

-- The invocation that such a job begins with, or nil.
local function first_on_timer(job)
  if job.timers == 0 or not is_before_start(job) then return nil end
  local first = call('HKEYS', k_invocations(job.id))[1]
  return first and string.match(first, '^%d+') == '1' and first or nil
end

-- Where an invocation is kept that has no message yet, or none any more: a key, its broker list; nil: it has one.
-- Its queue is paused, or it waits for the turn of its fair key.
local function kept_aside(job, invocation)
  local to, member = find_route(job, routine_of(invocation)), job.id .. '/' .. invocation
  if not to then return nil end
  local list = to.list .. job.suffix
  local keys = { k_paused_unclaimed(list), k_paused_pushes(list) }
  if job.fair then keys[3] = k_fair_waiting(list .. '\n' .. job.fair) end
  for _, key in ipairs(keys) do
    if call('ZSCORE', key, member) then return key, list end
  end
end

-- Whether an invocation is an answer that is expected.
local function is_expected(job, invocation)
  return job.extras and string.sub(call('HGET', k_invocations(job.id), invocation) or '', 1, 1) == 'E'
end

-- The limit at which an invocation waits for a place, and when it came there in the order of all; or nil.
local function waits_at(job, invocation)
  if not job.limited then return nil end
  --@include limits/step
  for _, key in ipairs(keys_of(job, invocation) or {}) do
    if shared('ZSCORE', k_limit_waiters(key), job.id .. '/' .. invocation) then return key end
  end
end

-- nil for an idle invocation, else why it is not: done, waits, queued, claimed. Not for one that is expected.
local function why_not_idle(job, invocation)
  if call('HEXISTS', k_invocations(job.id), invocation) == 0 then return 'done' end
  if waits_for_child(invocation) then return 'waits' end
  if is_on_timer(job, invocation) or is_stopped(job, invocation) then return nil end
  if kept_aside(job, invocation) then return nil end
  local to = find_route(job, routine_of(invocation))
  if to and call('ZSCORE', k_unclaimed(to.list .. job.suffix), job.id .. '/' .. invocation) then return 'queued' end
  if call('LPOS', parked_list_of(job, invocation), invocation) then return nil end
  if waits_at(job, invocation) then return nil end
  return 'claimed'
end

-- Takes an idle invocation from where it is, to end it.
local function take_idle(job, invocation, now)
  if job.limited then
    --@include limits/hand_on
    leave_limits(job, invocation, now)
    local key = waits_at(job, invocation)
    if key then
      --@include limits/step, limits/wait
      remove_waiter(at_key(key), job.id .. '/' .. invocation)
      job.at_limits = job.at_limits - 1
      return
    end
  end
  local stopped = is_stopped(job, invocation)
  call('ZREM', k_stopped(job.id), invocation)
  if stopped then
    call('HINCRBY', k_job(job.id), 'stopped', -1)
    return
  end
  if clear_timers(job.id, 'invocation', { invocation }) == 1 then
    job.timers = job.timers - 1
    return
  end
  local aside, list = kept_aside(job, invocation)
  if aside then
    local member = job.id .. '/' .. invocation
    call('ZREM', aside, member)
    count_message(job, list, -1, member)
    return
  end
  call('LREM', parked_list_of(job, invocation), 1, invocation)
  if job.queues == 1 then
    job.parked = job.parked - 1
    return
  end
  local lanes = lanes_of(job)
  local lane = lanes.name(find_route(job, routine_of(invocation)))
  lanes.set_parked(lane, lanes.parked_in(lane) - 1)
end
