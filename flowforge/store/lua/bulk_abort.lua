-- Ends a bulk operation before it has done all. What it has done stays done.
-- In:  bulk, who does it
-- Out: 1, or 0 when no such operation runs
--@include base, full, bulks
local id, by = ARGV[2], ARGV[3]
if call('HGET', k_bulk(id), 'status') ~= 'running' then return 0 end
write_though_full()
call('HSET', k_bulk(id), 'aborted_by', by)
end_bulk(id, 'aborted', now_ms())
return 1
