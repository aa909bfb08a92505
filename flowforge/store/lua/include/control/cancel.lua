-- Cancelling a job.
--@include base, full, request, cancel_job

-- by: who does it; details: packed, for the history; undo: what was committed is to be compensated.
-- 'ok', or why not: the status of a job that has ended, 'undoes' (it compensates another job, and is not undone).
local function cancel_by_hand(job, by, reason, details, undo, request, now)
  if is_met(job.id, request) then return 'ok' end
  if ENDED[job.status] then return job.status end
  if undo and job.extras and call('HEXISTS', k_job(job.id), 'undoes') == 1 then return 'undoes' end
  write_though_full()
  meet(job.id, request)
  if undo then to_be_undone(job) end
  cancel_job(job, by, reason, details, now)
  return 'ok'
end
