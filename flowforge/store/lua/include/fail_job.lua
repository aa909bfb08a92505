-- The end of a job that has failed.
--@include base, park, finish

-- Fails a job because of one invocation, which stays with it for a retry; invocation is nil when it is
-- no invocation's fault.
-- reason: one line; problem: packed error record or a code that readers translate.
-- sample: as count_error takes it; nil for a code.
local function fail_job(job, invocation, reason, problem, now, sample)
  --@include error_groups
  local group
  if sample then
    group = count_error(job, routine_of(invocation), sample, now)
  else
    group, sample = count_code(job, invocation, problem, now)
  end
  local routine = call('HGET', group, 'routine') or ''
  -- What readers make the id of the group of. The time of the end says that it is about this failure: a former
  -- release that fails the job the next time leaves the field as it is.
  local cause = table.concat({ routine, sample[3], sample[4], now }, '\n')
  if call('EXISTS', k_hooks()) == 1 then
    --@include outbox
    local happened = reason == 'quarantined' and 'quarantined' or 'failed'
    if job.extras and call('HEXISTS', k_job(job.id), 'undoes') == 1 then happened = 'undo_failed' end
    tell_hooks(happened, job, invocation, { routine, sample[3], sample[4], sample[5] }, now)
  end
  if invocation then
    call('HDEL', k_claims(job.id), invocation, 'l' .. invocation, 'u' .. invocation)
    park(job, invocation)
  end
  call('HSET', k_job(job.id), 'reason', reason, 'error', problem, 'cause', cause)
  finish(job, 'failed', now)
end

-- A job whose definition is gone can never run on; waiters must not hang on it.
local function fail_undefined(job, invocation, now)
  fail_job(job, invocation, 'definition missing', 'undefined 0 ' .. invocation, now)
end
