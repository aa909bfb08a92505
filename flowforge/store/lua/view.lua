-- What a delivery to a merging slot is shown: the log from the last reset before its first attempt up to
-- itself. Every attempt is shown the same.
-- In:  id, invocation, token, most records
-- Out: {position of the first record, records from there on} | {} (the lease is lost or the job has
--      ended)
--@include base, full, merging_log
local id, invocation, token, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
if not call('ZSCORE', k_leases(), id .. '/' .. invocation .. '/' .. token) then return {} end
-- Of a job that has ended nothing more is kept: what is written now would never be deleted.
local status = call('HGET', k_job(id), 'status')
if not status or ENDED[status] then return {} end
local slot, k = string.match(invocation, '^%d+%.(%d+%.%d+)%.(%d+)$')
k = tonumber(k)
write_though_full()
local first = log_of(id, slot).keep_epoch(k) + 1
local fields, answer = {}, { first }
-- Its own record came with the claim.
for i = first, math.min(k - 1, first + most - 1) do fields[#fields + 1] = slot .. '.' .. i end
if fields[1] then
  for i, record in ipairs(call('HMGET', k_merges(id), unpack(fields))) do answer[i + 1] = record end
end
return answer
