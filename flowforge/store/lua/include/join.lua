-- Joins: slots whose deliveries are collected until a rule says that they are complete.
-- A collection is open from its first item on, under 'r.s/key'. Its number is that of the
-- invocation that will handle it, so items of one collection never mix with those of the next.
--@include base, state, push, timers

-- kind: count, all (fires when no ancestor has anything outstanding) or quiet (all on a cycle: fires
-- when nothing else is left). timeout: ms or 0. up: the ancestors, as rows of indexes {first, last};
-- size: how many there are.
local function rule_of(job, slot)
  local place = job.def .. '/' .. slot
  local rule = join_rules[place]
  if not rule then
    local text = call('HGET', k_definition(job.def), 'j' .. slot) or ''
    local kind, timeout, otherwise, up = string.match(text, '^(%l+) (%d+) (%l+) (%S+)$')
    rule = { kind = kind or 'count', timeout = tonumber(timeout or 0), otherwise = otherwise,
      up = {}, size = 0 }
    for first, last in string.gmatch(up or '', '(%d+)%-?(%d*)') do
      first = tonumber(first)
      last = tonumber(last) or first
      rule.up[#rule.up + 1] = { first, last }
      rule.size = rule.size + last - first + 1
    end
    join_rules[place] = rule
  end
  return rule
end

-- At most `most` ancestors from place `from` on; the first is at 0.
local function some_above(rule, from, most)
  local found, place = {}, 0
  for _, row in ipairs(rule.up) do
    for r = row[1] + math.max(0, from - place), row[2] do
      if #found == most then return found end
      found[#found + 1] = string.format('%d', r)
    end
    place = place + row[2] - row[1] + 1
  end
  return found
end

local function is_above(rule, r)
  for _, row in ipairs(rule.up) do
    if r >= row[1] and r <= row[2] then return true end
  end
  return false
end

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

-- Adds one item. need: how many complete the collection, 0 when its rule is another.
local function collect(job, slot, need, key, record)
  local field, outstanding = slot .. '/' .. key, k_outstanding(job.id)
  local number, count = string.match(call('HGET', k_joins(job.id), field) or '', '^(%d+) (%d+)$')
  if not number then
    job.last = job.last + 1
    number, count = string.format('%d', job.last), 0
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

-- Has the upkeep go on with the job where a script had done enough.
local function look_again(job, now)
  set_timer(now, job.id, 'more')
end

-- Ancestors whose counts one script looks at, but for those of the last slot.
local MOST_ABOVE = 4000

-- Place and routine of an ancestor that has something outstanding, or nil when none has. The search
-- goes round from a place: what was found at rest there before may have work again.
local function blocker_of(job, rule, from)
  local seen, most = 0, 8
  while seen < rule.size do
    local at = (from + seen) % rule.size
    local some = some_above(rule, at, math.min(most, rule.size - seen))
    for i, n in ipairs(call('HMGET', k_outstanding(job.id), unpack(some))) do
      if tonumber(n or 0) > 0 then return at + i - 1, some[i], seen + i end
    end
    seen = seen + #some
    most = math.min(4 * most, 1000)
  end
  return nil, nil, seen
end

-- Fires the collections of all-joins above which nothing is outstanding any more. Each slot with open
-- ones waits at one ancestor that has something outstanding, as 'slot:place ' in the field 'at<r>',
-- and is looked at when that comes to rest; or in 'look', to be looked at next time. r: the routine
-- that has come to rest, or nil.
local function fire_complete(job, now, r)
  if not job.joins then return end
  local outstanding, rested = k_outstanding(job.id), 'at' .. (r or '')
  local f = call('HMGET', outstanding, 'look', rested)
  -- A count of zero goes: the hash stays small, so that a search is quick however large the flow is.
  call('HDEL', outstanding, 'look', rested, r or '')
  local waits, moved, seen, fired = (f[1] or '') .. (f[2] or ''), { look = {} }, 0, 0
  if waits == '' then return end
  -- Staged emissions could still deliver anything, so they have to be released first.
  if job.staged > 0 then
    call('HSET', outstanding, 'look', waits)
    return
  end
  for slot, from in string.gmatch(waits, '(%S+):(%d+) ') do
    local to = 'look'
    if seen < MOST_ABOVE and fired < MOST_JOINS then
      local place, blocker, looked = blocker_of(job, rule_of(job, slot), tonumber(from))
      seen = seen + looked
      from, to = place or 0, blocker and 'at' .. blocker
      if not blocker then
        local room = MOST_JOINS - fired
        local done = each_open(job, { slot }, room, function(...) fire(job, ...) end)
        fired = fired + done
        if done == room then to = 'look' else call('HDEL', outstanding, 'waits' .. slot) end
      end
    end
    if to then
      moved[to] = moved[to] or {}
      table.insert(moved[to], slot .. ':' .. from .. ' ')
    end
  end
  if moved.look[1] then look_again(job, now) end
  for to, slots in pairs(moved) do
    if slots[1] then
      local before = call('HGET', outstanding, to) or ''
      call('HSET', outstanding, to, before .. table.concat(slots))
    end
  end
end

-- Every slot with open collections.
local function open_slots(job)
  local slots, from = {}, '-'
  while true do
    local places = call('ZRANGEBYLEX', k_opened(job.id), from, '+', 'LIMIT', 0, 100)
    if not places[1] then return slots end
    for _, place in ipairs(places) do
      local slot = split_field(place)
      if slot ~= slots[#slots] then slots[#slots + 1] = slot end
    end
    from = '[' .. slots[#slots] .. '0'
  end
end

-- Of these slots, those that wait for nothing but their own rule, now that only open collections are
-- outstanding. Those on one cycle do not wait for each other. As many as one script can handle.
local function first_in_line(job, slots)
  local found, open = {}, {}
  for _, slot in ipairs(slots) do open[tonumber(string.match(slot, '^%d+'))] = slot end
  local function waits(r, rule)
    local function blocks(above)
      return open[above] and not is_above(rule_of(job, open[above]), r)
    end
    -- Whichever are fewer: the routines above, or those with open collections.
    if rule.size > #slots then
      for above in pairs(open) do
        if is_above(rule, above) and blocks(above) then return true end
      end
      return false
    end
    for _, row in ipairs(rule.up) do
      for above = row[1], row[2] do
        if blocks(above) then return true end
      end
    end
    return false
  end
  for _, slot in ipairs(slots) do
    if not waits(tonumber(string.match(slot, '^%d+')), rule_of(job, slot)) then
      found[#found + 1] = slot
    end
    if #found == MOST_JOINS then break end
  end
  return found
end
