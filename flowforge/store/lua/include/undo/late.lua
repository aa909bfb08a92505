-- Commits for a job that has failed, or was cancelled to be undone: what they did is undone with the rest.
--@include base, job_row, history, attempt, undo/keep, undo/begin

-- undo: slot and record, as keep_for_undo takes them. False when the job does not take it.
local function commit_to_undo(job, invocation, undo, micros, details, waited, now)
  local state = job.extras and call('HGET', k_job(job.id), 'undo')
  if state ~= 'waits' and (job.status ~= 'failed' or state) then return false end
  call('HDEL', k_invocations(job.id), invocation)
  call('HDEL', k_claims(job.id), invocation, 'l' .. invocation, 'u' .. invocation)
  count_attempt(job, routine_of(invocation), 'completed', 'completed', micros, now)
  remember(job, 'completed', invocation, details, nil, waited)
  keep_for_undo(job, invocation, undo[1], undo[2])
  open_undo(job, now)
  --@include undo/turn
  leave_turn(job, now)
  save_job(job, now)
  return true
end
