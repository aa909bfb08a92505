-- Deletes a job that has ended, with all that is kept of it.
-- In:  id
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | 'awaited' (the job that started it has not taken
--      its end yet) | 'undoing' (what it did is being compensated) | the status that does not allow it
--@include base, job_row, control/delete
local id = ARGV[2]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
return delete_job(job, now_ms())
