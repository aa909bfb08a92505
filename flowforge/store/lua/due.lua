-- Releases timers that are due.
-- In:  most
-- Out: {released, ms until the next timer or -1}
--@include base, damaged, push, join, deletions, child_jobs, finish, late_joins, retry
local most = tonumber(ARGV[2])

-- How much of the jobs' work one call releases; what is due beyond it stays so.
local ENOUGH = 256

-- Milliseconds that a join still has because the job, or one above it, stood still since it opened: its
-- whole time from when that went on. A clock that was set back adds none.
local function time_left(job, field, now)
  local timeout, left, at = rule_of(job, (split_field(field))).timeout, 0, job
  for _ = 1, DEEPEST do
    local continued = tonumber(call('HGET', k_job(at.id), 'continued') or 0)
    if continued <= now then left = math.max(left, continued + timeout - now) end
    at = at.parent and load_job(string.match(at.parent, '^[^/]+'))
    if not at then break end
  end
  return left
end

-- about: 'number field' of a collection, which may have fired since.
local function time_out(job, about, now)
  local number, field = string.match(about, '^(%d+) (.*)$')
  local open, count = string.match(call('HGET', k_joins(job.id), field) or '', '^(%d+) (%d+)$')
  local may, why = may_go_on(job)
  if open ~= number or why == 'ended' then return end
  if why == 'orphaned' then
    cancel_orphan(job, now)
    return
  end
  if not may then
    -- Until it goes on: timers that come back in vain would keep the upkeep from its other duties.
    keep_late(job, about)
    return
  end
  local left = time_left(job, field, now)
  if left > 0 then
    call('ZADD', k_timers(), now + left, job.id .. '/join/' .. about)
    return
  end
  give_up(job, field, number, tonumber(count), 'late', now)
  if ENDED[job.status] then
    keep_late(job, about)
  else
    save_job(job, now)
  end
end

-- A piece of the many children of a job, which may be gone itself; ended: none is waited for any more.
local function look_at_some_children(id, cursor, ended, now)
  local page = call('HSCAN', k_children(id), cursor, 'COUNT', 100)
  for i = 1, #page[2], 2 do call('ZADD', k_timers(), now, page[2][i] .. '/look') end
  if page[1] ~= '0' then
    call('ZADD', k_timers(), now, id .. '/children/' .. page[1])
  elseif ended then
    delete_hashes({ k_children(id) })
  end
end

-- What stands behind the job's id in a timer's member.
local function is_timer(invocation, about)
  if invocation == 'join' then return string.match(about, '^%d+ %d+%.%d+/') ~= nil end
  if invocation == 'children' then return string.match(about, '^%d+$') ~= nil end
  if invocation == 'retry' then return string.match(about, '^[^/]+/%d+%.%d+%.%d+$') ~= nil end
  return invocation == 'look' or invocation == 'more' or invocation == 'late' or is_invocation(invocation)
end

-- The job has, or one above it, what may let it go on.
local function look(job, now)
  local may, why = may_go_on(job)
  if may then
    go_on(job, now)
  elseif why == 'orphaned' then
    cancel_orphan(job, now)
  end
end

-- A job that failed is retried because the one that waits for it was. about: the invocation that waits.
local function retry_with_parent(id, job, about, now)
  local parent_id, invocation = parts_of(about)
  local parent = load_job(parent_id)
  if not parent or parent.newer or parent.status == 'completed' or parent.status == 'cancelled'
      or call('HGET', k_children(parent_id), id) ~= invocation then
    return
  end
  if job and job.status ~= 'failed' then return end
  if job and retry_job(job, now) == 'ok' then
    call('HSET', k_job(id), 'retried', 1)
  else
    -- It cannot go on: the invocation finds out why.
    call('HDEL', k_children(parent_id), id)
    enqueue(parent, invocation)
    save_job(parent, now)
  end
end

-- An invocation's time has come.
local function let_go(job, invocation, now)
  job.timers = job.timers - 1
  local may, why = may_go_on(job)
  if not find_route(job, routine_of(invocation)) then
    fail_undefined(job, invocation, now)
  elseif why == 'orphaned' then
    cancel_orphan(job, now)
  else
    if may then enqueue(job, invocation) else park(job, invocation) end
    save_job(job, now)
  end
end

local now = now_ms()

local function release(member)
  local id, invocation, about = parts_of(member)
  if not is_timer(invocation, about) then
    call('ZREM', k_timers(), member)
    return record_damaged('timers', member, 'no timer')
  end
  local job = load_job(id)
  call('ZREM', k_timers(), member)
  if job and job.newer then
    call('ZADD', k_timers(), now + 1000, member)
  elseif invocation == 'children' then
    local ended = not job or job.status == 'cancelled'
    look_at_some_children(id, about, ended, now)
    spent = spent + 30
  elseif invocation == 'retry' then
    retry_with_parent(id, job, about, now)
    spent = spent + 5
  elseif job and (invocation == 'look' or invocation == 'more') then
    look(job, now)
    spent = spent + 2
  elseif job and invocation == 'join' then
    time_out(job, about, now)
  elseif job and invocation == 'late' then
    bring_back_late(job, now)
  elseif job and job.status ~= 'completed' and job.status ~= 'cancelled' then
    if call('HEXISTS', k_invocations(id), invocation) == 0 then
      return record_damaged('timers', member, 'the job has no such invocation')
    end
    let_go(job, invocation, now)
  end
end

local released = 0
for _, member in ipairs(call('ZRANGEBYSCORE', k_timers(), '-inf', now, 'LIMIT', 0, most)) do
  if spent >= ENOUGH then break end
  released = released + 1
  handle_member('timers', k_timers(), member, now + PUT_OFF, release)
end
local nearest = call('ZRANGE', k_timers(), 0, 0, 'WITHSCORES')
return { released, nearest[2] and math.max(0, tonumber(nearest[2]) - now) or -1 }
