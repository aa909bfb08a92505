-- Keeps the totals of flows as they are at the beginning of a minute.
-- In:  minute, milliseconds for which it is kept, then flow and totals each
-- Out: 1, or 0 for a minute that is kept already
--@include base
local minute, kept, arguments = ARGV[2], ARGV[3], ARGV
if call('EXISTS', k_minute(minute)) == 1 then return 0 end
call('HSET', k_minute(minute), unpack(arguments, 4))
call('PEXPIRE', k_minute(minute), kept)
return 1
