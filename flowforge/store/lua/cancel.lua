-- Ends a job for good; parked work is dropped, what runs will not be able to commit.
-- In:  id, reason, packed details, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | the status of a job that has ended
--@include base, job_row, full, request, finish
local id, reason, details, request = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if ENDED[job.status] then return job.status end
write_though_full()
meet(id, request)
cancel_job(job, reason, details, now_ms())
return 'ok'
