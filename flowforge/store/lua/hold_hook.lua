-- Takes, keeps or gives up the right to deliver to a hook, which one worker has at a time.
-- In:  name, holder, name of the worker, ms (0: it is given up)
-- Out: {} when another has it or there is no such hook, else {place of the hook in the outbox, deliveries that wait}
--@include base, full
local name, holder, worker, ms = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])

-- Milliseconds beyond which no right lasts: a clock that was set back must not keep a dead worker's.
local LONGEST = 600000

local now, held = now_ms(), call('HMGET', k_hook(name), 'holder', 'until')
local left = tonumber(held[2] or 0) - now
local place = call('HGET', k_hook_places(), name)
if held[1] and held[1] ~= holder and left > 0 and left <= LONGEST then return {} end
if ms == 0 then
  call('HDEL', k_hook(name), 'holder', 'until')
  return {}
end
if not place then return {} end
write_though_full()
call('HSET', k_hook(name), 'holder', holder, 'until', now + ms, 'worker', worker)
return { place, call('ZCARD', k_delivery_times(name)) }
