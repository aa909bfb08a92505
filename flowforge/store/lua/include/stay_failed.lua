-- Work that was done for a failed job: it stays as long as the job.
--@include base, finish

-- What was changed of a failed job since it failed may be without a time to live.
local function stay_failed(job)
  for _, key in ipairs(kept_of(job.id, false, false, false, job.extras)) do stay_with(job, key) end
  keep_work(job, math.max(1, call('PTTL', k_job(job.id))))
end
