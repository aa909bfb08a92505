-- Adds a note of the user's own to a job's history.
-- In:  id, packed record, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job)
--@include base, stay_with, job_row, history
local id, record, request = ARGV[2], ARGV[3], ARGV[4]

-- Entries looked at for a note that is sent again because its reply was lost.
local LATEST = 100

local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
for _, entry in ipairs(call('XREVRANGE', k_history(id), '+', '-', 'COUNT', LATEST)) do
  -- Behind what every entry has: the request that added it.
  if entry[2][7] == 'q' and entry[2][8] == request then return 'ok' end
end
remember(job, 'recorded', '', record, request)
stay_with(job, k_history(id))
return 'ok'
