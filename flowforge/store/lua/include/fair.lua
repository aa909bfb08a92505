-- The order of work with fair keys. Of each broker list it waits by key, and a bounded number of messages is in the
-- broker. A message that leaves hands the next one over: that of the key with the lowest tag. A key's tag is the
-- virtual time at which its next message is due: 1 / weight behind its latest one, and behind now for a key that is new.
--@include base, members, shared, job_row, push_numbers, queue_pause, damaged

-- Messages that are in the broker until a leader knows how many the workers of the queue run (fair_turns.lua).
local FEW_ENTERED = 8

-- Invocations that one hand-over looks at, and how many of one key that are gone count as a turn of it.
local TURN_LOOKS, TURN_GONE = 32, 8

local function waiting_key(list, key)
  return k_fair_waiting(list .. '\n' .. key)
end

-- rules: find_route (route), message_of (message), park and count_message (count) of push.lua, which includes this file.
local function fair_order(rules)
  local order = {}

  -- Makes the message of an invocation whose turn it is; returns its weight, nil when it is not wanted any more.
  local function enter(list, member)
    local id, invocation = parts_of(member)
    local job = load_job(id)
    if not job then return nil end
    local gone = job.status == 'completed' or job.status == 'cancelled'
    if not job.newer and (gone or job.held or job.status == 'paused' or job.status == 'failed') then
      rules.count(job, list, -1)
      if not gone then rules.park(job, invocation) end
      save_job(job, now_ms())
      return nil
    end
    local to, number = rules.route(job, routine_of(invocation)), take_numbers(list, 1)
    call('ZADD', k_unclaimed(list), number, member)
    shared('ZADD', k_fair_entered(list), number, member)
    -- Without a message the upkeep finds it, and fails its job.
    if to then redis.pcall('LPUSH', list, rules.message(to.template, job, invocation, number)) end
    return job.weight or 1
  end

  -- Takes the first one of a key; returns what enter does.
  local function take_first(list, key, member)
    shared('ZREM', waiting_key(list, key), member)
    local done, weight = pcall(enter, list, member)
    if done then return weight end
    -- A job that cannot be read: no worker could claim it.
    record_damaged('fair', member, type(weight) == 'table' and weight.err or tostring(weight))
    return nil
  end

  -- Lets as much in as there is room for, of at most so many that it looks at; whether there was more to look at.
  function order.hand_over(list, looks)
    local f = shared('HMGET', k_fair_lists(), 'm' .. list, 'v' .. list)
    local room = tonumber(f[1] or FEW_ENTERED) - shared('ZCARD', k_fair_entered(list))
    if room <= 0 or number_of(list) >= PAUSED then return false end
    local gone = {}
    for _ = 1, looks do
      local first = shared('ZRANGE', k_fair_turns(list), 0, 0, 'WITHSCORES')
      local key, tag = first[1], tonumber(first[2])
      if not key then
        shared('HDEL', k_fair_lists(), 'v' .. list)
        return false
      end
      local member = shared('ZRANGE', waiting_key(list, key), 0, 0)[1]
      if member then
        local weight = take_first(list, key, member)
        gone[key] = weight and 0 or (gone[key] or 0) + 1
        if weight or gone[key] == TURN_GONE then
          gone[key] = 0
          shared('ZADD', k_fair_turns(list), tag + 1 / (weight or 1), key)
        end
        if weight then
          shared('HSET', k_fair_lists(), 'v' .. list, string.format('%.17g', tag))
          room = room - 1
          if room == 0 then return false end
        end
      else
        -- It has no more, and its time has come: from now on it counts as new.
        shared('ZREM', k_fair_turns(list), key)
      end
    end
    return true
  end

  -- An invocation waits for the turn of its key, which may be now. since: as
  -- count_message takes it.
  function order.wait(job, list, member, since)
    local number = take_numbers(list, 1)
    if number >= PAUSED then number = number - PAUSED end
    shared('ZADD', waiting_key(list, job.fair), since or number, member)
    local time = tonumber(shared('HGET', k_fair_lists(), 'v' .. list) or 0)
    if shared('ZADD', k_fair_turns(list), 'NX', time + 1 / job.weight, job.fair) == 1 then
      shared('HSETNX', k_fair_lists(), 'm' .. list, FEW_ENTERED)
    end
    order.hand_over(list, TURN_LOOKS)
  end

  -- A message has left the broker.
  function order.leave(list, member)
    if shared('ZREM', k_fair_entered(list), member) == 1 then order.hand_over(list, TURN_LOOKS) end
  end

  return order
end
