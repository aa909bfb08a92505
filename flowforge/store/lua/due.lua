-- Releases timers that are due.
-- In:  most
-- Out: {released, ms until the next timer or -1}
--@include base, damaged, push, join, trash, family, finish, late
local most = tonumber(ARGV[2])

-- How much of the jobs' waiting work one call releases; what is due beyond it stays so.
local ENOUGH = 256

-- about: 'number field' of a collection, which may have fired since.
local function time_out(job, about, now)
  local number, field = string.match(about, '^(%d+) (.*)$')
  local open, count = string.match(call('HGET', k_joins(job.id), field) or '', '^(%d+) (%d+)$')
  if open ~= number or job.status == 'completed' or job.status == 'cancelled' then return end
  if job.status == 'paused' or job.status == 'failed' then
    -- Until it goes on: timers that come back in vain would keep the upkeep from its other duties.
    call('RPUSH', k_late(job.id), about)
    stay_with(job, k_late(job.id))
    return
  end
  give_up(job, field, number, tonumber(count), 'late', now)
  if ENDED[job.status] then
    local rule = rule_of(job, (split_field(field)))
    call('ZADD', k_timers(), now + rule.timeout, job.id .. '/join/' .. about)
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
    throw_away({ k_children(id) })
  end
end

-- What stands behind the job's id in a timer's member.
local function is_timer(tag, about)
  if tag == 'join' then return string.match(about, '^%d+ %d+%.%d+/') ~= nil end
  if tag == 'children' then return string.match(about, '^%d+$') ~= nil end
  return tag == 'look' or tag == 'more' or tag == 'late' or is_tag(tag)
end

local now = now_ms()

local function release(member)
  local id, tag, about = parts_of(member)
  if not is_timer(tag, about) then
    call('ZREM', k_timers(), member)
    return tell_damaged('timers', member, 'no timer')
  end
  local job = load_job(id)
  call('ZREM', k_timers(), member)
  if job and job.newer then
    call('ZADD', k_timers(), now + 1000, member)
  elseif tag == 'children' then
    local ended = not job or job.status == 'cancelled'
    look_at_some_children(id, about, ended, now)
    spent = spent + 30
  elseif job and (tag == 'look' or tag == 'more') then
    local above = ENDED[job.status] and 'ended' or ancestors_of(job)
    if above == 'gone' then
      cancel_job(job, 'its parent job has ended', '', now)
    elseif above == 'running' then
      fire_complete(job, now)
      if tag == 'look' then look_at_children(job, now) end
      settle(job, now)
    end
    spent = spent + 2
  elseif job and tag == 'join' then
    time_out(job, about, now)
  elseif job and tag == 'late' then
    bring_back_late(job, now)
  elseif job and job.status ~= 'completed' and job.status ~= 'cancelled' then
    if call('HEXISTS', k_invocations(id), tag) == 0 then
      return tell_damaged('timers', member, 'the job has no such invocation')
    end
    job.timers = job.timers - 1
    if find_route(job, routine_of(tag)) then
      enqueue(job, tag)
      save_job(job, now)
    else
      fail_undefined(job, tag, now)
    end
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
