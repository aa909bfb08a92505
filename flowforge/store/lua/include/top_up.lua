-- Releases what there is room for, parked work before work that is still staged: what is under way is
-- finished before more is begun.
--@include base, push
local function top_up(job, now)
  if job.parked + job.staged == 0 or job.status == 'paused' or job.held or ENDED[job.status] then return end

  -- How much of each is done at most, in messages. The claims and commits that follow do the rest.
  local ENOUGH = 128

  --@include release/parked, release/staged, release/outputs
  if job.parked > 0 and room_of(job) > 0 then release_parked(job, ENOUGH, now) end
  if job.staged == 0 then return end
  release_outputs(job, ENOUGH, now)
  if job.staged > 0 and takes_staged(job) then release_staged(job, ENOUGH, now) end
  if job.staged == 0 then
    --@include complete_joins
    fire_complete(job, now)
  else
    -- What was committed is not there any more: settle fails the job.
    job.missing = call('EXISTS', k_segments(job.id), k_output_segments(job.id)) == 0
  end
end
