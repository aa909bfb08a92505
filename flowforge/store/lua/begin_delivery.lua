-- An attempt at a delivery begins. If its worker does not live to end it, it is made again later.
-- In:  name, holder, id, cause, number of the attempt, ms after which it is made again
-- Out: {how often a worker was lost with an attempt}, or {} when the attempt may not be made: another delivers
--      to the hook, or the delivery does not wait
--@include base, full, deliveries
local name, holder, id, cause, attempt = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local ms = tonumber(ARGV[7])
if call('HGET', k_hook(name), 'holder') ~= holder or not call('ZSCORE', k_delivery_times(name), id) then
  return {}
end
local begun, ended, lost = attempts_of(name, id)
if attempt ~= begun and attempt ~= begun + 1 then return {} end
write_though_full()
if attempt == begun + 1 then
  if ended < begun then lost = lost + 1 end
  keep_attempts(name, id, attempt, ended, lost)
end
-- What happens from now on is another delivery: one id stands for one body.
if call('HGET', k_deliveries(name), 'o' .. cause) == id then call('HDEL', k_deliveries(name), 'o' .. cause) end
call('ZADD', k_delivery_times(name), now_ms() + ms, id)
return { lost }
