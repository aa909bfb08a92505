-- Does what the timers are for that are due.
-- In:  most
-- Out: how many were due
--@include base, state, job_row, timer_kinds, damaged
local most = tonumber(ARGV[2])

-- How much of the jobs' work one call releases, in messages; what is due beyond it stays so.
local ENOUGH = 256

local function look(_, job, _, now)
  --@include due/look
  look_at_job(job, now)
end

-- kind -> what it does.
local ACTIONS = {
  invocation = function(_, job, about, now)
    --@include due/invocation
    release_invocation(job, about, now)
  end,
  join = function(_, job, about, now)
    --@include due/join
    time_out_join(job, about, now)
  end,
  late = function(_, job, _, now)
    --@include late_joins
    bring_back_late(job, now)
  end,
  more = look,
  look = look,
  expect = function(...)
    --@include due/expectation
    time_out_expectation(...)
  end,
  remind = function(...)
    --@include due/reminder
    remind_of_expectation(...)
  end,
  children = function(...)
    --@include due/children
    look_at_some_children(...)
  end,
  retry = function(...)
    --@include due/retry
    retry_with_parent(...)
  end,
  deadline = function(_, job, about, now)
    --@include due/deadline
    look_at_deadline(job, about, now)
  end,
  limit = function(_, _, about, now)
    --@include limits/step, limits/hand_on
    hand_on(at_key(about), now)
  end,
}

local kinds, now = timer_kinds(), now_ms()

local function release(member)
  local id, kind, about = parse_timer(kinds, member)
  if not id then
    call('ZREM', k_timers(), member)
    return record_damaged('timers', member, 'no timer')
  end
  local job = load_job(id)
  -- What was due before it in this call may have cleared it.
  if call('ZREM', k_timers(), member) == 0 then return end
  if job and job.newer then
    -- For a leader of its own release; put behind the others meanwhile.
    call('ZADD', k_timers(), now + 1000, member)
  elseif job or kinds[kind].without_job then
    ACTIONS[kind](id, job, about, now)
    spent = spent + kinds[kind].cost
  end
end

local due = 0
for _, member in ipairs(call('ZRANGEBYSCORE', k_timers(), '-inf', now, 'LIMIT', 0, most)) do
  if spent >= ENOUGH then break end
  due = due + 1
  handle_member('timers', k_timers(), member, now + PUT_OFF, release)
end
return due
