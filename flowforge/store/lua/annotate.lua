-- Keeps data of the user's own with a routine of a job; fields that are there are replaced.
-- In:  id, then field, packed value each
-- Out: 'ok' | 'gone' | 'newer' (a later release's job)
--@include base, stay_with, job_row
local id, arguments = ARGV[2], ARGV
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
for i = 3, #arguments, 2 do call('HSET', k_routine_data(id), arguments[i], arguments[i + 1]) end
stay_with(job, k_routine_data(id))
return 'ok'
