-- Forgets a hook with all that waits for it. A worker that has it declares it again.
-- In:  name
-- Out: 1, or 0 when there is no such hook
--@include base, full, deliveries
local name = ARGV[2]
if call('HEXISTS', k_hooks(), name) == 0 then return 0 end
write_though_full()
remove_hook(name)
return 1
