-- Sends a refused message again.
-- In:  its number, broker list, message
-- Out: 1, or 0 when it is no longer kept
--@include base
local number, list, message = ARGV[2], ARGV[3], ARGV[4]
local found = call('ZREMRANGEBYSCORE', k_dead_letters(), number, number)
if found == 1 then call('LPUSH', list, message) end
return found
