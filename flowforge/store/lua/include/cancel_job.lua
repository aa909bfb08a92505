-- The end of a job that is not to go on.
--@include base, job_row, child_jobs, undo/undone, layout, history, finish

-- Ends a job for good; parked work is dropped, what runs will not be able to commit.
-- by: who does it, '' for the engine.
local function cancel_job(job, by, reason, details, now)
  call('HSET', k_job(job.id), 'reason', reason, 'by', by)
  remember(job, 'cancelled', '', details)
  call('HDEL', k_job(job.id), 'stopped', 'expected')
  job.parked = 0
  job.staged = 0
  job.timers = 0
  job.at_limits = 0
  finish(job, 'cancelled', now)
end

-- What was committed of the job is to be compensated at its end.
local function to_be_undone(job)
  job.undo, job.extras = true, true
  save_layout(job)
end

-- A job whose ancestor has ended for good ends with it, and is undone if that one is: those between them may not
-- have been looked at yet.
local function cancel_orphan(job, now)
  local at = job
  for _ = 1, DEEPEST do
    at = at.parent and load_job(string.match(at.parent, '^[^/]+'))
    if not at or ENDED[at.status] and (at.status ~= 'failed' or is_undone(at)) then break end
  end
  if at and at.extras and call('HEXISTS', k_job(at.id), 'undo') == 1 then to_be_undone(job) end
  cancel_job(job, '', 'its parent job has ended', '', now)
end
