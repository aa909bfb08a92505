-- Changes labels of a job.
-- In:  id, most labels, then name, value ('': the label goes) each
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | 'full' (there would be more labels)
--@include job_row, control/label
local id, most, arguments = ARGV[2], tonumber(ARGV[3]), ARGV
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
local changes = {}
for i = 4, #arguments, 2 do changes[arguments[i]] = arguments[i + 1] end
return label_job(job, most, changes)
