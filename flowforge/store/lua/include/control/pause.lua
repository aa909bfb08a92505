-- Pausing a job.
--@include base, job_row, status, full, request, history

-- by: who does it; checkpoint: packed, or '' to keep the earlier one; point: packed, for the list of pauses.
-- 'ok', or why not: the status of a job that has ended.
local function pause_job(job, by, reason, checkpoint, point, request, now)
  if is_met(job.id, request) then return 'ok' end
  if ENDED[job.status] then return job.status end
  write_though_full()
  meet(job.id, request)
  if job.status ~= 'paused' then set_status(job, 'paused') end
  call('HSET', k_job(job.id), 'reason', reason, 'by', by)
  if checkpoint ~= '' then call('HSET', k_job(job.id), 'checkpoint', checkpoint) end
  call('RPUSH', k_pauses(job.id), now .. ' ' .. point)
  call('LTRIM', k_pauses(job.id), -job.history_limit, -1)
  remember(job, 'paused', '', point)
  save_job(job, now)
  if job.running == 0 then notify(job) end
  return 'ok'
end
