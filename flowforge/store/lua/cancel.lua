-- Ends a job for good; parked work is dropped, what runs will not be able to commit.
-- In:  id, by, reason, packed details, 1 if what was committed is to be compensated, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | 'undoes' (it compensates another job, and is not undone)
--      | the status of a job that has ended
--@include base, job_row, control/cancel
local id, by, reason, details, undo, request = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1', ARGV[7]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
return cancel_by_hand(job, by, reason, details, undo, request, now_ms())
