-- Makes deliveries of lines of the outbox, or adds the lines to deliveries that have had no attempt.
-- In:  name, holder, place in the outbox before, and behind these lines; lines that were lost; then of each
--      delivery: its id, its cause, ms until its first attempt, packed record
-- Out: 1, or 0 when the lines were taken before, or a delivery had an attempt meanwhile
--@include base, full
local name, holder, before, behind, lost, arguments = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV
if call('HGET', k_hook_places(), name) ~= before or call('HGET', k_hook(name), 'holder') ~= holder then
  return 0
end
for i = 7, #arguments, 4 do
  local id, open = arguments[i], call('HGET', k_deliveries(name), 'o' .. arguments[i + 1])
  if open and call('HEXISTS', k_deliveries(name), 'r' .. open) == 0 then open = false end
  if open and open ~= id or not open and call('HEXISTS', k_deliveries(name), 'r' .. id) == 1 then return 0 end
end

write_though_full()
local now = now_ms()
for i = 7, #arguments, 4 do
  local id, cause, ms, record = unpack(arguments, i, i + 3)
  call('HSET', k_deliveries(name), 'r' .. id, record, 'o' .. cause, id)
  call('ZADD', k_delivery_times(name), 'NX', now + tonumber(ms), id)
end
call('HSET', k_hook_places(), name, behind)
if lost > 0 then call('HINCRBY', k_hook(name), 'lost', lost) end
return 1
