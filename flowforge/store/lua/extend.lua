-- Gives an attempt more time, counted from now. Its end does not come nearer by it.
-- In:  id, invocation, token, ms
-- Out: 'ok' | 'lost' (its time was over, and the upkeep has taken its lease; or the job has ended)
--@include base, shared, full
local id, invocation, token, ms = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local member = id .. '/' .. invocation .. '/' .. token
if not shared('ZSCORE', k_attempt_ends(), member) or not call('ZSCORE', k_leases(), member) then return 'lost' end
if ENDED[call('HGET', k_job(id), 'status')] then return 'lost' end
write_though_full()
shared('ZADD', k_attempt_ends(), 'XX', 'GT', now_ms() + ms, member)
return 'ok'
