-- Keys of jobs that have ended.
--@include base

-- A key that was written after the job's end goes when the job does. One that is to be undone has no time to live
-- until that begins.
local function stay_with(job, key)
  local ms = ENDED[job.status] and call('PTTL', k_job(job.id)) or -1
  if ms >= 0 then call('PEXPIRE', key, math.max(1, ms)) end
end
