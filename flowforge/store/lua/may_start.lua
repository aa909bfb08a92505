-- Whether a handler whose claim was made a while ago may start now. Changes nothing.
-- In:  id
-- Out: 1, or 0: the job or one above it is paused or has ended
--@include job_row, child_jobs
local id = ARGV[2]
local job = load_job(id)
return job and may_go_on(job) and 1 or 0
