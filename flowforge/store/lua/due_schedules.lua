-- Says which schedules the leader is to look at; it changes nothing.
-- In:  most, then the fields of a row that are wanted
-- Out: {ms of the server's clock, ms until the next is due ('': there is none), name and values of those that are}
--@include base, shared
local most, arguments = tonumber(ARGV[2]), ARGV
local now = now_ms()
local first = shared('ZRANGE', k_schedules(), 0, 0, 'WITHSCORES')
local at = tonumber(first[2] or math.huge)
local found = { now, at < math.huge and string.format('%d', math.max(0, at - now)) or '' }
if at > now then return found end
for _, name in ipairs(shared('ZRANGEBYSCORE', k_schedules(), '-inf', now, 'LIMIT', 0, most)) do
  -- Something else may lie in place of a row: it has no values, and does not keep the others from their turn.
  local values = redis.pcall('HMGET', k_schedule(name), unpack(arguments, 3))
  found[#found + 1] = name
  found[#found + 1] = values.err and {} or values
end
return found
