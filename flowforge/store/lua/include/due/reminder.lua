-- An expectation is told of once more.
--@include base, timers, history, expectations

local function remind_of_expectation(_, job, number, now)
  local expectation = expectation_of(job, number)
  if not expectation or job.status == 'completed' or job.status == 'cancelled' then return end
  local passed = math.floor((now - expectation.since) / expectation.remind)
  set_timer(expectation.since + (math.max(0, passed) + 1) * expectation.remind, job.id, 'remind', number)
  if job.status == 'failed' then return end
  local invocation = expected_invocation(number, expectation)
  remember(job, 'reminded', invocation, '')
  if call('EXISTS', k_hooks()) == 1 then
    tell_of_expectation('reminded', job, invocation, expectation.routine, expectation.place, now)
  end
end
