-- From now on no handler of the job starts; those that run may finish and commit.
-- In:  id, reason, packed checkpoint or '', packed pause point, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | the status of a job that has ended
--@include base, job_row, full, request, history, finish
local id, reason, checkpoint, point, request = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if ENDED[job.status] then return job.status end
write_though_full()
meet(id, request)
local now = now_ms()
if job.status ~= 'paused' then set_status(job, 'paused') end
call('HSET', k_job(id), 'reason', reason)
if checkpoint ~= '' then call('HSET', k_job(id), 'checkpoint', checkpoint) end
call('RPUSH', k_pauses(id), now .. ' ' .. point)
call('LTRIM', k_pauses(id), -job.history_limit, -1)
remember(job, 'paused', '', point)
save_job(job, now)
if job.running == 0 then notify(job) end
return 'ok'
