-- The time of an expectation is over.
--@include base, push, timers, child_jobs, history, expectations, deliver_answer, fail_job, cancel_job, settle, late_joins

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
    local found, given = expectation_of(job, other), ''
    if found then _, given = parts_of_expected(job, other, found) end
    if given ~= '' then number, expectation, record = other, found, given end
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
  -- A retry gives those their whole time again that were expected in place of it, too.
  local group = {}
  for other = expectation.first, expectation.last do group[#group + 1] = other end
  clear_timers(job.id, 'expect', group)
  if job.status ~= 'failed' then
    remember(job, 'answer_late', invocation, '')
    fail_job(job, nil, 'no answer', string.format('unanswered %s %s', number, expectation.field), now)
  end
  keep_late(job, 'expect ' .. number)
end
