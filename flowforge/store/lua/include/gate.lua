-- What lets a held job begin: its turn among the jobs of its key, and then a place of each limit of its flow.
--@include base, single

-- Whether the job is held no more. One that a full limit refuses has ended.
local function pass_gate(job, now)
  if not job.held or ENDED[job.status] then return true end
  local passes = has_turn(job, now)
  if job.refused then
    --@include limits/refuse_job
    refuse_job(job, now)
  end
  return passes and not ENDED[job.status]
end
