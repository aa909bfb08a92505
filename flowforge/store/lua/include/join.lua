-- Joins: slots whose deliveries are collected until a rule says that they are complete.
-- A collection is open from its first item on, under 'r.s/key'. Its number is that of the
-- invocation that will handle it, so items of one collection never mix with those of the next.
--@include base, state, push, timers, join_rules

local function split_field(field)
  return string.match(field, '^([^/]+)/(.*)$')
end

-- Open collections by slot, and those of one slot in the order of their first items.
local function place_of(field, number)
  local slot, key = split_field(field)
  return string.format('%s/%016d/%s', slot, tonumber(number), key)
end

-- Hands a collection to its handler, exactly once: the open entry is removed with it. It has been
-- outstanding since its first item.
local function fire(job, field, number, count)
  local slot, key = split_field(field)
  call('HDEL', k_joins(job.id), field)
  call('ZREM', k_opened(job.id), place_of(field, number))
  local invocation = number .. '.' .. slot
  call('HSET', k_invocations(job.id), invocation, 'J' .. count .. ' ' .. key)
  if rule_of(job, slot).timeout > 0 then
    clear_timers(job.id, 'join', { number .. ' ' .. field })
  end
  enqueue(job, invocation)
end

-- Adds one item. need: how many complete the collection, 0 when its rule is another; limits: that its handler
-- counts at, those of its first item.
local function collect(job, slot, need, key, record, limits)
  local field, outstanding = slot .. '/' .. key, k_outstanding(job.id)
  local number, count = string.match(call('HGET', k_joins(job.id), field) or '', '^(%d+) (%d+)$')
  if not number then
    job.last = job.last + 1
    number, count = string.format('%d', job.last), 0
    if limits then call('HSET', k_limited(job.id), number .. '.' .. slot, limits) end
    local rule = rule_of(job, slot)
    spent = spent + 0.7
    -- What it will start may deliver further down.
    call('HINCRBY', outstanding, string.match(slot, '^%d+'), 1)
    call('ZADD', k_opened(job.id), 0, place_of(field, number))
    if rule.kind == 'all' and call('HSETNX', outstanding, 'waits' .. slot, 1) == 1 then
      call('HSET', outstanding, 'look', (call('HGET', outstanding, 'look') or '') .. slot .. ':0 ')
    end
    if rule.timeout > 0 then
      set_timer(now_ms() + rule.timeout, job.id, 'join', number .. ' ' .. field)
    end
  end
  count = count + 1
  spent = spent + 0.3
  call('HSET', k_collected(job.id), number .. '.' .. count, record)
  if need > 0 and count >= need then
    fire(job, field, number, count)
  else
    call('HSET', k_joins(job.id), field, number .. ' ' .. count)
  end
end

-- Open collections handled by one script.
local MOST_JOINS = 100

-- Calls fn(field, number, count) for open collections of the slots, at most `most`; returns how
-- many. What is left over is found by the next call.
local function each_open(job, slots, most, fn)
  local found = {}
  for _, slot in ipairs(slots) do
    local room = most - #found
    if room <= 0 then break end
    for _, place in ipairs(call('ZRANGEBYLEX', k_opened(job.id), '[' .. slot .. '/', '(' .. slot .. '0',
      'LIMIT', 0, room)) do
      local number, key = string.match(place, '^[^/]+/(%d+)/(.*)$')
      found[#found + 1] = { tonumber(number), slot .. '/' .. key }
    end
  end
  -- In the order of their first items.
  table.sort(found, function(a, b) return a[1] < b[1] end)
  for _, one in ipairs(found) do
    local number, count = string.match(call('HGET', k_joins(job.id), one[2]), '^(%d+) (%d+)$')
    fn(one[2], number, tonumber(count))
  end
  return #found
end
