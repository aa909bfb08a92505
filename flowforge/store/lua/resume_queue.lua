-- Lets workers claim from a paused queue again. What was put aside goes back to its broker lists in its order: first
-- what had been popped, before what still is on the list, then what was pushed during the pause, a part at a time.
-- In:  queue, most, request ('': of no person), then its broker lists
-- Out: 'ok' | 'more' (the queue is not resumed yet: call again) | 'none' (it is not paused)
--@include base, members, job_row, push_numbers, push, park, queue_pause, full, met
local queue, most, request, arguments = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV

-- Messages at the tail of a list that are looked at, for one of FlowForge among those of other tasks.
local LOOKS = 50

-- Unclaimed invocations that are counted as few: of those that a resume had let go before the queue was paused again.
local FEW_LET_GO = 500

local now = now_ms()

-- The push number of the message of a list that is popped next; nil when there is none.
local function oldest_number(list)
  local items = redis.pcall('LRANGE', list, -LOOKS, -1)
  for i = #items, 1, -1 do
    local number = string.match(string.sub(items[i], -24), '%-(%d+)"}}$')
    if number then return tonumber(number) end
  end
  return nil
end

-- The message of an invocation with this number; nil where there is none to make, and whether its job is there.
local function message_for(member, number)
  local id, invocation = parts_of(member)
  local job = is_invocation(invocation) and load_job(id)
  local to = job and find_route(job, routine_of(invocation))
  return to and message_of(to.template, job, invocation, string.format('%d', number)), job
end

-- What had been popped goes before the rest of the list, with the numbers that it had. Then all of it is there to be
-- claimed again. Returns how many may follow, nil when this user may not push there.
local function put_before(list, tail, left)
  local aside = k_paused_unclaimed(list)
  local popped = call('ZCOUNT', aside, '-inf', '(' .. string.format('%d', tail))
  local some = popped > 0 and call('ZRANGE', aside, math.max(0, popped - left), popped - 1, 'WITHSCORES') or {}
  for i = #some - 1, 1, -2 do
    local made, message, job = pcall(message_for, some[i], tonumber(some[i + 1]))
    if message and made then
      local pushed = redis.pcall('RPUSH', list, message)
      if type(pushed) == 'table' then return nil end
    elseif made and not job then
      call('ZREM', aside, some[i])
    end
  end
  if #some == 2 * left then return 0 end
  local others = call('ZRANGE', k_unclaimed(list), 0, FEW_LET_GO - 1, 'WITHSCORES')
  for i = 1, #others, 2 do
    call('ZADD', aside, others[i + 1], others[i])
    call('ZREM', k_unclaimed(list), others[i])
  end
  if #others == 2 * FEW_LET_GO then return 0 end
  if call('EXISTS', aside) == 1 then call('RENAME', aside, k_unclaimed(list)) end
  return left - #some / 2
end

-- What has no message on the list gets one, in order, with new numbers; returns how many may follow, and the latest
-- number.
local function push_aside(list, aside, number, left)
  local some = call('ZRANGE', aside, 0, left - 1)
  if not some[1] then return left, number end
  call('ZREM', aside, unpack(some))
  for _, member in ipairs(some) do
    number = math.max(number + 1, now * PER_MS)
    local made, message, job = pcall(message_for, member, number)
    -- The upkeep pushes again what has no message, and keeps count of what is damaged.
    if job or not made then call('ZADD', k_unclaimed(list), number, member) end
    if made and message then redis.pcall('LPUSH', list, message) end
  end
  return left - #some, number
end

-- Returns how many may follow: above 0 when the list is as others again.
local function resume_list(list, left)
  local number = number_of(list)
  if number >= PAUSED then number = number - PAUSED end
  local aside = k_paused_unclaimed(list)
  if call('EXISTS', aside) == 1 then
    -- A list without messages gets all from its head on, also when it has some of them again.
    local tail = call('HEXISTS', k_queue_pauses(), 'h' .. list) == 0 and oldest_number(list)
    local more = tail and put_before(list, tail, left)
    if more then
      left = more
    else
      call('HSET', k_queue_pauses(), 'h' .. list, 1)
      left, number = push_aside(list, aside, number, left)
    end
  end
  if left > 0 then left, number = push_aside(list, k_paused_pushes(list), number, left) end
  if left > 0 then call('HDEL', k_queue_pauses(), 'h' .. list) end
  call('HSET', k_sequences(), list, string.format('%d', left > 0 and number or number + PAUSED))
  if left > 0 and call('EXISTS', k_fair_turns(list)) == 1 then
    --@include fair
    local order = fair_order({ route = find_route, message = message_of, park = park, count = count_message })
    order.hand_over(list, TURN_LOOKS)
  end
  return left
end

if request ~= '' and answered_before(request) then return 'ok' end
if call('HEXISTS', k_queue_pauses(), 'p' .. queue) == 0 then return 'none' end
write_though_full()
call('HSET', k_queue_pauses(), 'r' .. queue, 1)
for i = 5, #arguments do
  most = resume_list(arguments[i], most)
  if most <= 0 then return 'more' end
end
call('HDEL', k_queue_pauses(), 'p' .. queue, 'r' .. queue)
if request ~= '' then remember_answer(request, 'ok') end
return 'ok'
