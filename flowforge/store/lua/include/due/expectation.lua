-- The time of an expectation is over.
--@include base, push, child_jobs, history, expectations, deliver_answer, fail_job, cancel_job, settle, late_joins

-- Also while the job is paused: what is delivered is parked.
local function time_out_expectation(_, job, number, now)
  local expectation = expectation_of(job, number)
  if not expectation or job.status == 'completed' or job.status == 'cancelled' then return end
  local _, why = may_go_on(job)
  if why == 'orphaned' then return cancel_orphan(job, now) end
  local invocation, record = expected_invocation(number, expectation), ''
  if not find_route(job, routine_of(invocation)) then
    return fail_job(job, nil, 'definition missing', 'undefined 0 ' .. invocation, now)
  end
  -- One of those of which one is answered has what is delivered.
  for other = expectation.first, expectation.last do
    local found = expectation_of(job, other)
    local kept = found and call('HGET', k_invocations(job.id), expected_invocation(other, found))
    if kept and #kept > 1 then number, expectation, record = other, found, string.sub(kept, 2) end
  end
  if record ~= '' then
    remember(job, 'answer_late', expected_invocation(number, expectation), '')
    answer_expectation(job, number, expectation, expectation.mode, record, 't', '-', '', now)
    settle(job, now)
    if job.status == 'failed' then
      --@include stay_failed
      stay_failed(job)
    end
    return
  end
  if job.status ~= 'failed' then
    remember(job, 'answer_late', invocation, '')
    fail_job(job, nil, 'no answer', string.format('unanswered %s %s', number, expectation.field), now)
  end
  -- A retry gives it its whole time again.
  keep_late(job, 'expect ' .. number)
end
