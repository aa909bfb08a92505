-- Keeps part of a large emission outside the worker's memory. Nothing of it is visible before the
-- commit of the attempt; it is dropped when the attempt ends otherwise.
-- In:  id, tag, token, how many are staged already, then the children: 'r s length mode record' each, with the
--      mode's length, and no blank between mode and record; routine -1: an output of the job
-- Out: 'ok' | 'stale' (the lease is lost or the job has ended)
--@include base
local id, tag, token = ARGV[2], ARGV[3], ARGV[4]
local attempt = id .. '/' .. tag .. '/' .. token
if not call('ZSCORE', k_leases(), attempt) then return 'stale' end
local status = call('HGET', k_job(id), 'status')
if not status or ENDED[status] then return 'stale' end
-- A reply that was lost makes the caller send the same part again.
if call('LLEN', k_segment(attempt)) == tonumber(ARGV[5]) then
  for i = 6, #ARGV do call('RPUSH', k_segment(attempt), ARGV[i]) end
end
return 'ok'
