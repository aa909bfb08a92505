-- Forgets dead deliveries of a hook; with all of them also how many events were lost.
-- In:  name, then ids; none: all
-- Out: how many
--@include base, full, deliveries
local name, ids = ARGV[2], { unpack(ARGV, 3) }
local all, count = not ids[1], 0
if all then ids = call('ZRANGE', k_dead_deliveries(name), 0, -1) end
write_though_full()
if all then call('HDEL', k_hook(name), 'lost') end
for _, id in ipairs(ids) do
  if call('ZSCORE', k_dead_deliveries(name), id) then
    remove_delivery(name, id)
    count = count + 1
  end
end
return count
