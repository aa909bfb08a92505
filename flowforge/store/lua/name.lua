-- The server's own name, a part of the ids of its jobs. It stays with the data: a server that moves
-- to another address keeps it.
-- In:  name to take when it has none yet
-- Out: its name
--@include base
local name = ARGV[2]
call('SET', k_server(), name, 'NX')
return call('GET', k_server())
