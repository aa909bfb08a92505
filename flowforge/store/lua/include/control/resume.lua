-- Resuming a paused job.
--@include base, status, full, request, history, go_on, retry

-- details: packed, for the history.
-- 'ok', or why not: 'undefined' (its definition is gone), the status that is not 'paused'.
local function resume_job(job, details, request, now)
  if is_met(job.id, request) then return 'ok' end
  if job.status ~= 'paused' then return job.status end
  if call('HEXISTS', k_definition(job.def), 'json') == 0 then return 'undefined' end
  write_though_full()
  meet(job.id, request)
  set_live(job, now)
  call('HDEL', k_job(job.id), 'reason', 'by')
  remember(job, 'resumed', '', details)
  go_on(job, now)
  notify(job)
  return 'ok'
end
