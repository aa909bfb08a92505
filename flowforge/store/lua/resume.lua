-- Releases exactly what was parked. With retry = '1' a failed job is what is resumed.
-- In:  id, retry, packed details, ms in which a job that is retried is to finish ('': as before), request,
--      then invocation and record of each whose params were edited for the retry
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | 'undefined' (its definition is gone)
--      | 'orphaned' (the job that started it was cancelled) | 'undone' (what it did is compensated)
--      | 'changed' (one of the records is another: somebody else has edited it since)
--      | the status that does not allow it
--@include base, job_row, request, control/resume, control/retry
local id, retry, details, within, request = ARGV[2], ARGV[3] == '1', ARGV[4], tonumber(ARGV[5]), ARGV[6]
local arguments = ARGV
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if retry and job.status == 'failed' and not is_met(id, request) then
  for i = 7, #arguments, 2 do
    if call('HGET', k_invocations(id), arguments[i]) ~= arguments[i + 1] then return 'changed' end
  end
end
if retry then return retry_by_hand(job, details, request, now_ms(), within) end
return resume_job(job, details, request, now_ms())
