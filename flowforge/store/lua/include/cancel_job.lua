-- The end of a job that is not to go on.
--@include base, history, finish

-- Ends a job for good; parked work is dropped, what runs will not be able to commit.
-- by: who does it, '' for the engine.
local function cancel_job(job, by, reason, details, now)
  call('HSET', k_job(job.id), 'reason', reason, 'by', by)
  remember(job, 'cancelled', '', details)
  call('HDEL', k_job(job.id), 'stopped', 'expected')
  job.parked = 0
  job.staged = 0
  job.timers = 0
  finish(job, 'cancelled', now)
end

-- A job whose ancestor has ended for good ends with it.
local function cancel_orphan(job, now)
  cancel_job(job, '', 'its parent job has ended', '', now)
end
