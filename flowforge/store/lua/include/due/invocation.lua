-- The time of an invocation has come: its next attempt may be made, or its first.
--@include base, job_row, push, park, child_jobs, damaged, fail_job, cancel_job
local function release_invocation(job, invocation, now)
  if job.status == 'completed' or job.status == 'cancelled' then return end
  if call('HEXISTS', k_invocations(job.id), invocation) == 0 then
    return record_damaged('timers', job.id .. '/' .. invocation, 'the job has no such invocation')
  end
  job.timers = job.timers - 1
  local may, why = may_go_on(job)
  local kept = job.puts_off and call('HGET', k_put_off(job.id), invocation)
  if not find_route(job, routine_of(invocation)) then
    fail_undefined(job, invocation, now)
  elseif why == 'orphaned' then
    cancel_orphan(job, now)
  elseif kept then
    --@include due/put_off
    deliver_put_off(job, invocation, kept, now)
  else
    if may then
      enqueue(job, invocation)
    else
      park(job, invocation)
      if job.limited then
        --@include limits/hand_on
        leave_limits(job, invocation, now)
      end
    end
    save_job(job, now)
  end
  if job.held and job.gated then
    --@include gate
    pass_gate(job, now)
  end
end
