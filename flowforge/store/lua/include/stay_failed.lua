-- Work that was done for a failed job: it stays as long as the job.
--@include base, stay_with, expiry

-- What was changed of a failed job since it failed may be without a time to live.
local function stay_failed(job)
  local ms = call('PTTL', k_job(job.id))
  -- One that is to be undone stays until that begins.
  if ms < 0 then return end
  for _, key in ipairs(kept_of(job.id, false, false, false, false, job.extras)) do stay_with(job, key) end
  keep_work(job, math.max(1, ms))
end
