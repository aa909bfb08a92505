-- What was undone is over for good.
--@include base

-- Whether a failed job is undone: it is never retried.
local function is_undone(job)
  return job.status == 'failed' and job.extras and call('HEXISTS', k_job(job.id), 'undo') == 1
end
