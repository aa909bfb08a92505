-- A test event is to be delivered to a hook at once.
-- In:  name, id, packed record
-- Out: 1, or 0 when there is no such hook
--@include base
local name, id, record = ARGV[2], ARGV[3], ARGV[4]
if call('HEXISTS', k_hooks(), name) == 0 then return 0 end
if call('HSETNX', k_deliveries(name), 'r' .. id, record) == 1 then
  -- Before all that waits.
  call('ZADD', k_delivery_times(name), 0, id)
end
return 1
