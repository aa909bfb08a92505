-- The turn of a job of which one runs at a time, behind its end.
--@include base, single

-- The next one of its key has its turn, unless the job is undone: then that has the place until it has ended.
local function leave_turn(job, now)
  local f = call('HMGET', k_job(job.id), 'single', 'undo')
  local key, undo = f[1], f[2]
  if not key or undo == 'waits' then return end
  if undo and call('HGET', k_job(undo), 'undoes') == job.id then hand_place_to(undo, job, key) end
  give_place_up(job, key, now)
end
