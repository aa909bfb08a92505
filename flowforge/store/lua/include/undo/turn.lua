-- The turn of a job of which one runs at a time, and its places of the limits of its flow, behind its end.
--@include base, single

-- The next one has its turn, unless the job is undone: then the job that does it has the place until it has ended.
local function leave_turn(job, now)
  local f = call('HMGET', k_job(job.id), 'single', 'undo')
  local key, undo = f[1], f[2]
  if undo == 'waits' then return end
  local undoing = undo and call('HGET', k_job(undo), 'undoes') == job.id and undo or nil
  if key and undoing then hand_place_to(undoing, job, key) end
  if key then give_place_up(job, key, now) end
  if job.gated then
    --@include limits/leave
    leave_job_places(job, undoing, now)
  end
end
