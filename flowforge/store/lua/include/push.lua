-- Putting an invocation's message on its broker list.
--@include base, state, push_numbers

-- Messages that a job may always have on a list unclaimed. More only while as many handlers run: a
-- short list keeps other jobs' waits short, and twice what runs keeps every worker fed.
local QUEUED_AT_LEAST = 32

-- Broker list and message template of (routine, slot), or nil when the definition has no such slot.
local function find_route(job, r, s)
  if not r then return nil end
  local key = job.def .. '.' .. r .. '.' .. s
  local found = routes[key]
  if not found then
    -- limits: keys_of.
    local f = job.limited and call('HMGET', k_definition(job.def), 'q' .. r, 'm' .. r .. '.' .. s, 'l' .. r .. '.' .. s)
      or call('HMGET', k_definition(job.def), 'q' .. r, 'm' .. r .. '.' .. s)
    if not f[1] or not f[2] then return nil end
    found = { list = f[1], template = f[2], limits = f[3] }
    routes[key] = found
  end
  return found
end

-- The same for callers that cannot go on without it. Reads only: call it before any write, so
-- that a missing definition changes nothing.
local function route(job, r, s)
  local found = find_route(job, r, s)
  if found then return found end
  error({ err = 'FFDEFINITION no routine ' .. tostring(r) .. ' slot ' .. tostring(s)
    .. ' in definition ' .. job.def })
end

-- What fills a template's holes, in their order; the last one is the push number.
local function holes_of(job, invocation, number)
  local id, own = job.id, string.match(invocation, '^%d+')
  return id, invocation, id, own, id, id, id, own, job.priority, id, own, number
end

local function message_of(template, job, invocation, number)
  return string.format(template, holes_of(job, invocation, number))
end

-- A message of the job comes to this list (by: 1) or leaves it (-1). member: its place in the order of fair keys
-- changes too; since: its number in the order of its key, nil: it comes now. Returns whether it waits for a turn there,
-- or has had one.
local function count_message(job, list, by, member, since)
  job.queued = job.queued + by
  if job.queues > 1 then
    --@include lanes
    lanes_of(job).count_messages(list, by)
  end
  if not member or not job.fair then return false end
  --@include park, fair
  turns = turns or fair_order({ route = find_route, message = message_of, park = park, count = count_message })
  if by > 0 then turns.wait(job, list, member, since) else turns.leave(list, member) end
  return true
end

-- how: nil; 'again': its message was lost, and is made again; a number: it has waited for a place of a limit since
-- then, and its message goes before those that came later.
local function push_message(job, invocation, how)
  local to = route(job, routine_of(invocation))
  local list, member = to.list .. job.suffix, job.id .. '/' .. invocation
  spent = spent + 1
  if count_message(job, list, 1, how ~= 'again' and member, how) then return end
  if unpushed then
    local pushes = unpushed[list] or {}
    unpushed[list] = pushes
    pushes[#pushes + 1] = { to.template, job, invocation }
    return
  end
  local number = take_numbers(list, 1)
  if number >= PAUSED then
    -- The queue is paused: there is no message until it is resumed.
    call('ZADD', k_paused_pushes(list), number - PAUSED, member)
    return
  end
  if how and how ~= 'again' then
    --@include limits/turn
    local depth, its = turn_of(list, how)
    if depth then
      local earlier
      earlier, its = take_earlier(list, depth, its)
      call('ZADD', k_unclaimed(list), its, member)
      redis.pcall('RPUSH', list, message_of(to.template, job, invocation, its))
      for i = #earlier, 1, -1 do redis.pcall('RPUSH', list, earlier[i]) end
      return
    end
  end
  call('ZADD', k_unclaimed(list), number, member)
  -- Where something else lies in place of the list, the message is lost, and the upkeep pushes it again
  -- when it can. An error would stop the script between its writes.
  redis.pcall('LPUSH', list, message_of(to.template, job, invocation, number))
end

-- What has to wait for a place of a limit waits there in place of the list.
local function push(job, invocation)
  if job.limited then
    --@include limits/step
    if not admit(job, invocation) then return end
  end
  push_message(job, invocation)
end

-- How many messages of the job may be pushed now; of a job on several queues to all of them together.
local function room_of(job)
  local left = job.max_in_flight - job.queued - job.running - (job.at_limits or 0)
  if job.queues > 1 then return left end
  local ahead = 2 * job.running
  ahead = (ahead > QUEUED_AT_LEAST and ahead or QUEUED_AT_LEAST) - job.queued
  return ahead < left and ahead or left
end

-- Pushes at once when the job runs and has room; else parks, behind what is parked.
local function enqueue(job, invocation)
  local is_next = job.parked == 0
  if job.queues > 1 then
    --@include lanes
    is_next = lanes_of(job).may_push(find_route(job, routine_of(invocation)))
  end
  local goes = is_next and room_of(job) > 0
  if job.limited and not goes then
    --@include limits/kept
    goes = keeps_place(job, invocation)
  end
  if goes and job.status ~= 'paused' and not job.held and not ENDED[job.status] then
    push(job, invocation)
  else
    --@include park
    park(job, invocation)
  end
end
