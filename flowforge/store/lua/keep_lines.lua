-- Keeps lines that handlers have logged with their jobs.
-- In:  the writer, the number of this batch of its, most lines of a job, then id, invocation, packed line each
-- Out: how many were kept; 0 for a batch that was kept before
--@include base, stay_with, job_row
local writer, batch, most, arguments = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV

-- Milliseconds in which a batch may be sent again because its reply was lost.
local SENT_AGAIN = 600000

if tonumber(call('GET', k_log_writer(writer)) or 0) >= batch then return 0 end

local kept, logged = 0, {}
for i = 5, #arguments, 3 do
  local id, invocation, line = arguments[i], arguments[i + 1], arguments[i + 2]
  local job = load_job(id)
  if job and not job.newer then
    call('XADD', k_logs(id), 'MAXLEN', '~', most, '*', 't', invocation, 'p', line)
    kept, logged[id] = kept + 1, job
  end
end
for id, job in pairs(logged) do
  -- The end of the job looks here whether there are lines that are to expire.
  call('HSET', k_job(id), 'logs', 1)
  stay_with(job, k_logs(id))
end
call('SET', k_log_writer(writer), batch, 'PX', SENT_AGAIN)
return kept
