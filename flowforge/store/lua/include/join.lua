-- Joins: slots whose deliveries are collected until a rule says that they are complete.
-- A collection is open from its first item on, under 'r.s/key'. Its number is that of the
-- invocation that will handle it, so items of one collection never mix with those of the next.
--@include base, push

local join_rules = {}

-- slot -> {kind, timeout ms or 0, otherwise, ancestors}; kinds are count, all (fires when no
-- ancestor has anything outstanding) and quiet (all on a cycle: fires when nothing else is left).
local function rules_of(job)
  local rules = join_rules[job.def]
  if not rules then
    rules = {}
    local text = call('HGET', k_definition(job.def), 'joins') or ''
    for slot, kind, timeout, otherwise, up in string.gmatch(text, '(%S+) (%S+) (%S+) (%S+) (%S+)\n') do
      local ancestors = {}
      for r in string.gmatch(up, '%d+') do ancestors[#ancestors + 1] = r end
      rules[slot] = { kind = kind, timeout = tonumber(timeout), otherwise = otherwise, up = ancestors }
    end
    join_rules[job.def] = rules
  end
  return rules
end

local function split_field(field)
  return string.match(field, '^([^/]+)/(.*)$')
end

-- Hands a collection to its handler, exactly once: the open entry is removed with it. It has been
-- outstanding since its first item.
local function fire(job, field, number, count)
  local slot, key = split_field(field)
  call('HDEL', k_joins(job.id), field)
  local tag = number .. '.' .. slot
  call('HSET', k_invocations(job.id), tag, 'J' .. count .. ' ' .. key)
  if rules_of(job)[slot].kind ~= 'count' then call('HINCRBY', k_outstanding(job.id), 'open', -1) end
  enqueue(job, tag)
end

-- Adds one item. need: how many complete the collection, 0 when its rule is another.
local function collect(job, slot, need, key, record)
  local field = slot .. '/' .. key
  local number, count = string.match(call('HGET', k_joins(job.id), field) or '', '^(%d+) (%d+)$')
  if not number then
    job.last = job.last + 1
    number, count = string.format('%d', job.last), 0
    local rule = rules_of(job)[slot]
    -- What it will start may deliver further down.
    call('HINCRBY', k_outstanding(job.id), string.match(slot, '^%d+'), 1)
    if rule.kind ~= 'count' then call('HINCRBY', k_outstanding(job.id), 'open', 1) end
    if rule.timeout > 0 then
      call('ZADD', k_timers(), now_ms() + rule.timeout, job.id .. '/join/' .. number .. ' ' .. field)
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

-- Calls fn(field, number, count) for open collections of slots that wanted(slot, rule) admits, at
-- most MOST_JOINS; returns how many. What is left over is found by the next call.
local function each_open(job, wanted, fn)
  local rules, cursor, found = rules_of(job), '0', {}
  repeat
    local page = call('HSCAN', k_joins(job.id), cursor, 'COUNT', MOST_JOINS)
    cursor = page[1]
    for i = 1, #page[2], 2 do
      local slot = split_field(page[2][i])
      if wanted(slot, rules[slot]) then found[#found + 1] = { page[2][i], page[2][i + 1] } end
    end
  until cursor == '0' or #found >= MOST_JOINS
  -- In the order of their first items, whatever the hash's own order is.
  table.sort(found, function(a, b)
    return tonumber(string.match(a[2], '^%d+')) < tonumber(string.match(b[2], '^%d+'))
  end)
  for i = 1, math.min(#found, MOST_JOINS) do
    local number, count = string.match(found[i][2], '^(%d+) (%d+)$')
    fn(found[i][1], number, tonumber(count))
  end
  return math.min(#found, MOST_JOINS)
end

-- Which slots wait for nothing but their own rule, now that only open collections are outstanding:
-- a function of slot and rule. Those on one cycle do not wait for each other.
local function first_in_line(job)
  local up_of, open = {}, {}
  for slot, rule in pairs(rules_of(job)) do
    local r = string.match(slot, '^%d+')
    up_of[r] = {}
    for _, ancestor in ipairs(rule.up) do up_of[r][ancestor] = true end
    open[r] = tonumber(call('HGET', k_outstanding(job.id), r) or 0) > 0
  end
  return function(slot, rule)
    local r = string.match(slot, '^%d+')
    for _, ancestor in ipairs(rule.up) do
      if open[ancestor] and not up_of[ancestor][r] then return false end
    end
    return true
  end
end

-- Has the upkeep go on with the job where a script had done enough.
local function look_again(job, now)
  call('ZADD', k_timers(), now, job.id .. '/more')
end

-- Fires the collections of all-joins above which nothing is outstanding any more. Staged
-- emissions could still deliver anything, so they have to be released first.
local function fire_complete(job, now)
  if not job.joins or job.staged > 0 then return end
  if tonumber(call('HGET', k_outstanding(job.id), 'open') or 0) == 0 then return end
  local complete = {}
  local any = false
  for slot, rule in pairs(rules_of(job)) do
    -- Without ancestors only the job's entry delivers, and that is settled at once.
    if rule.kind == 'all' and #rule.up > 0 then
      local sum = 0
      for _, n in ipairs(call('HMGET', k_outstanding(job.id), unpack(rule.up))) do
        sum = sum + tonumber(n or 0)
      end
      if sum == 0 then complete[slot], any = true, true end
    end
  end
  if not any then return end
  local function wanted(slot) return complete[slot] end
  local fired = each_open(job, wanted, function(field, number, count) fire(job, field, number, count) end)
  if fired == MOST_JOINS then look_again(job, now) end
end
