-- Ends a job for good; what waits is dropped, what runs will not be able to commit.
-- In:  id, reason, packed details
-- Out: 'ok' | 'gone' | the status of a job that has ended
--@include base, history, push, join, deliver, family, trash, finish
local id, reason, details = ARGV[2], ARGV[3], ARGV[4]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if ENDED[job.status] then return job.status end
cancel_job(job, reason, details, now_ms())
return 'ok'
