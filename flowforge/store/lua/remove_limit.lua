-- Forgets what is in force for a limit, or for one of its keys.
-- In:  request, then fields, as set_limit has them
-- Out: how many there were
--@include base, full, met
local request, arguments = ARGV[2], ARGV
local before = answered_before(request)
if before then return tonumber(before) end
write_though_full()
local found = call('HDEL', k_limits(), unpack(arguments, 3))
if found > 0 then remember_answer(request, found) end
return found
