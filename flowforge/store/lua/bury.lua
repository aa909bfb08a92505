-- Keeps a message that a worker refused. Sent twice, it is kept twice, which does no harm.
-- In:  packed record, most
-- Out: its number
--@include base
local record, most = ARGV[2], tonumber(ARGV[3])
local number = call('INCR', k_dead_letter_number())
-- The number is part of the member: equal messages of one millisecond are two.
call('ZADD', k_dead_letters(), number, number .. ' ' .. now_ms() .. ' ' .. record)
call('ZREMRANGEBYRANK', k_dead_letters(), 0, -most - 1)
return number
