-- Dead deliveries of a hook wait again, with as many attempts as new ones.
-- In:  name, then ids; none: all
-- Out: how many
--@include base, full
local name, ids = ARGV[2], { unpack(ARGV, 3) }
if not ids[1] then ids = call('ZRANGE', k_dead_deliveries(name), 0, -1) end
local now, count = now_ms(), 0
write_though_full()
for _, id in ipairs(ids) do
  if call('ZREM', k_dead_deliveries(name), id) == 1 then
    call('HDEL', k_deliveries(name), 's' .. id)
    call('ZADD', k_delivery_times(name), now, id)
    count = count + 1
  end
end
return count
