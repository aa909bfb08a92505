-- The gate of breakpoints in a claim: what stops there is parked apart, and no handler of it starts.
--@include base, push, child_jobs, waits_for_child, history, settle

-- nil: the claim goes on. {'stopped'}, or {'asks', record, condition}: the claimer is to say whether the
-- params fulfil it. judged: the condition that it has judged, or nil; stops: '1' when they do.
local function stop_at_break(job, invocation, judged, stops, now)
  local to = not waits_for_child(invocation) and may_go_on(job) and find_route(job, routine_of(invocation))
  local list, member = to and to.list .. job.suffix, job.id .. '/' .. invocation
  if not to or not call('ZSCORE', k_unclaimed(list), member) then return nil end
  local condition = call('HGET', k_breakpoints(job.id), (routine_of(invocation)))
  -- 0: it has been let go.
  if not condition or call('ZSCORE', k_stopped(job.id), invocation) == '0' then return nil end
  if condition ~= '' then
    if judged ~= condition then return { 'asks', call('HGET', k_invocations(job.id), invocation), condition } end
    if stops ~= '1' then return nil end
  end
  call('ZREM', k_unclaimed(list), member)
  count_message(job, list, -1, member)
  call('ZADD', k_stopped(job.id), now, invocation)
  call('HINCRBY', k_job(job.id), 'stopped', 1)
  remember(job, 'stopped', invocation, '')
  settle(job, now)
  return { 'stopped' }
end
