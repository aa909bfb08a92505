-- Starts a bulk operation on the jobs that were collected for it.
-- In:  bulk, how many jobs were collected, ms since which no other may have been started ('' for any),
--      then field, value each of what is kept of it:
--      action, by, reason, rate (jobs a second, '' for any), selection, checkpoint point, details, labels
-- Out: 'ok', also when it was started before; 'gone' when the collected jobs are not all there; 'changed' when
--      another one was started
--@include base, full, bulks
local id, collected, since, arguments = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV
if call('EXISTS', k_bulk(id)) == 1 then return 'ok' end
if call('LLEN', k_bulk_jobs(id)) ~= collected then return 'gone' end
local latest = tonumber(call('ZRANGE', k_bulks(), -1, -1, 'WITHSCORES')[2] or 0)
if since and latest >= since then return 'changed' end

write_though_full()
local now = now_ms()
forget_some_bulks()
for i = 5, #arguments, 2 do call('HSET', k_bulk(id), arguments[i], arguments[i + 1]) end
call('HSET', k_bulk(id), 'status', 'running', 'created', now, 'next', now, 'matched', collected)
-- Operations that are started within one millisecond keep their order.
call('ZADD', k_bulks(), math.max(now, latest + 1), id)
call('PERSIST', k_bulks())
call('PERSIST', k_bulk_jobs(id))
if collected > 0 then
  call('ZADD', k_active_bulks(), now, id)
else
  end_bulk(id, 'done', now)
end
return 'ok'
