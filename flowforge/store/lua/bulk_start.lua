-- Starts a bulk operation on the jobs that were collected for it.
-- In:  bulk, how many jobs were collected, then field, value each of what is kept of it:
--      action, by, reason, rate (jobs a second, '' for any), selection, checkpoint point, details, labels
-- Out: 1, also when it was started before; 0 when the collected jobs are not all there
--@include base, full, bulks
local id, collected, arguments = ARGV[2], tonumber(ARGV[3]), ARGV
if call('EXISTS', k_bulk(id)) == 1 then return 1 end
if call('LLEN', k_bulk_jobs(id)) ~= collected then return 0 end

write_though_full()
local now = now_ms()
forget_some_bulks()
for i = 4, #arguments, 2 do call('HSET', k_bulk(id), arguments[i], arguments[i + 1]) end
call('HSET', k_bulk(id), 'status', 'running', 'created', now, 'next', now, 'matched', collected)
-- Operations that are started within one millisecond keep their order.
local latest = call('ZRANGE', k_bulks(), -1, -1, 'WITHSCORES')[2]
call('ZADD', k_bulks(), math.max(now, tonumber(latest or 0) + 1), id)
call('PERSIST', k_bulks())
call('PERSIST', k_bulk_jobs(id))
if collected > 0 then
  call('ZADD', k_active_bulks(), now, id)
else
  end_bulk(id, 'done', now)
end
return 1
