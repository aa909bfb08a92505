-- From now on no handler of the job starts; those that run may finish and commit.
-- In:  id, by, reason, packed checkpoint or '', packed pause point, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | the status of a job that has ended
--@include base, job_row, control/pause
local id, by, reason, checkpoint, point, request = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
return pause_job(job, by, reason, checkpoint, point, request, now_ms())
