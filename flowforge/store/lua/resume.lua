-- Releases exactly what was parked. With retry = '1' a failed job is what is resumed.
-- In:  id, retry, packed details, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | 'undefined' (its definition is gone)
--      | 'orphaned' (the job that started it was cancelled) | the status that does not allow it
--@include base, job_row, full, request, history, finish, go_on, retry
local id, retry, details, request = ARGV[2], ARGV[3] == '1', ARGV[4], ARGV[5]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
write_though_full()
local now = now_ms()
if retry then
  if job.status ~= 'failed' then
    -- The retry of its parent was its own already; that is said once.
    local done = job.status ~= 'cancelled' and call('HDEL', k_job(id), 'retried') == 1
    if done then meet(id, request) end
    return done and 'ok' or job.status
  end
  local answer = retry_job(job, details, now)
  if answer == 'ok' then meet(id, request) end
  return answer
end
if job.status ~= 'paused' then return job.status end
if call('HEXISTS', k_definition(job.def), 'json') == 0 then return 'undefined' end
meet(id, request)
set_live(job, now)
call('HDEL', k_job(id), 'reason')
remember(job, 'resumed', '', details)
go_on(job, now)
notify(job)
return 'ok'
