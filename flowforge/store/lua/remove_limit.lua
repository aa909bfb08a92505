-- Forgets what is in force for a limit, or for one of its keys.
-- In:  fields, as set_limit has them
-- Out: how many there were
--@include base
local arguments = ARGV
return call('HDEL', k_limits(), unpack(arguments, 2))
