-- Keeps the params of an invocation with its job, for what comes after its end.
-- In:  id, invocation, record, most bytes of a job, most invocations of a job
-- Out: 1, or 0: the job is gone, completed or cancelled, or keeps as much as it may
--@include base, stay_with, job_row
local id, invocation, record, most_bytes, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local job = load_job(id)
if not job or job.newer or job.status == 'completed' or job.status == 'cancelled' then return 0 end
local before = call('HSTRLEN', k_inputs(id), invocation)
local bytes = tonumber(call('HGET', k_job(id), 'inputs') or 0) + #record - before
if bytes > most_bytes or (before == 0 and call('HLEN', k_inputs(id)) >= most) then return 0 end
call('HSET', k_inputs(id), invocation, record)
-- The end of the job looks here whether there are any that are to expire.
call('HSET', k_job(id), 'inputs', bytes)
stay_with(job, k_inputs(id))
return 1
