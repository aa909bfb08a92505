-- An attempt at a delivery has ended.
-- In:  name, id, number of the attempt, how (done, again, dead, tested), ms until the next attempt, what the
--      receiver answered or why the attempt failed, 1 if a test succeeded
-- Out: 1, or 0 when the attempt was ended before or is not the latest
--@include base, full, deliveries
local name, id, attempt, how, ms = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local answer, good = ARGV[7], ARGV[8]
local begun, ended, lost = attempts_of(name, id)
if begun ~= attempt or ended == attempt or not call('ZSCORE', k_delivery_times(name), id) then return 0 end

write_though_full()
local now = now_ms()
if how == 'done' or how == 'tested' then
  remove_delivery(name, id)
else
  keep_attempts(name, id, begun, attempt, lost)
  call('HSET', k_deliveries(name), 'w' .. id, answer)
  call('ZADD', k_delivery_times(name), now + ms, id)
  if how == 'dead' then bury_delivery(name, id, now) end
end
if how == 'tested' then
  call('HSET', k_hook(name), 'test', id .. ' ' .. good .. ' ' .. answer)
elseif how == 'done' then
  call('HSET', k_hook(name), 'success', now)
  call('HDEL', k_hook(name), 'failing', 'why')
  call('HINCRBY', k_hook(name), 'delivered', 1)
else
  call('HSETNX', k_hook(name), 'failing', now)
  call('HSET', k_hook(name), 'why', answer)
end
return 1
