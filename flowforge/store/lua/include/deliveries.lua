-- Deliveries of one hook: what it is to be told. One is waiting, by the time of its next attempt, or dead.
--@include base

-- Dead deliveries that are kept of a hook, the latest.
local MOST_DEAD = 200

-- What is kept of a delivery beside its record: its attempts, and why the latest failed.
local function attempts_of(name, id)
  local text = call('HGET', k_deliveries(name), 's' .. id) or ''
  local begun, ended, lost = string.match(text, '^(%d+) (%d+) (%d+)$')
  return tonumber(begun or 0), tonumber(ended or 0), tonumber(lost or 0)
end

local function keep_attempts(name, id, begun, ended, lost)
  call('HSET', k_deliveries(name), 's' .. id, string.format('%d %d %d', begun, ended, lost))
end

local function remove_delivery(name, id)
  call('ZREM', k_delivery_times(name), id)
  call('ZREM', k_dead_deliveries(name), id)
  call('HDEL', k_deliveries(name), 'r' .. id, 's' .. id, 'w' .. id)
end

local function bury_delivery(name, id, now)
  call('ZREM', k_delivery_times(name), id)
  call('ZADD', k_dead_deliveries(name), now, id)
  for _, old in ipairs(call('ZRANGE', k_dead_deliveries(name), 0, -MOST_DEAD - 1)) do
    remove_delivery(name, old)
  end
end

-- A hook that is forgotten is not told of anything any more.
local function remove_hook(name)
  call('HDEL', k_hooks(), name)
  call('HDEL', k_hook_places(), name)
  call('UNLINK', k_hook(name), k_deliveries(name), k_delivery_times(name), k_dead_deliveries(name))
  -- Both: the numbers of lines begin again.
  if call('EXISTS', k_hooks()) == 0 then call('UNLINK', k_hook_places(), k_outbox()) end
end
