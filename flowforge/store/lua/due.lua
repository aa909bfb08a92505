-- Releases timers that are due.
-- In:  most
-- Out: {released, ms until the next timer or -1}
--@include base, history, push, join, deliver, family, trash, finish
local most = ARGV[2]

-- about: 'number field' of a collection, which may have fired since.
local function time_out(job, about, now)
  local number, field = string.match(about, '^(%d+) (.*)$')
  local open, count = string.match(call('HGET', k_joins(job.id), field) or '', '^(%d+) (%d+)$')
  if open ~= number then return end
  give_up(job, field, number, tonumber(count), 'late', now)
  if not ENDED[job.status] then save_job(job, now) end
end

local now = now_ms()
local due = call('ZRANGEBYSCORE', k_timers(), '-inf', now, 'LIMIT', 0, most)
for _, member in ipairs(due) do
  local id, tag, about = parts_of(member)
  local job = load_job(id)
  call('ZREM', k_timers(), member)
  if job and job.newer then
    call('ZADD', k_timers(), now + 1000, member)
  elseif job and tag == 'look' then
    local above = ENDED[job.status] and 'ended' or ancestors_of(job)
    if above == 'gone' then
      cancel_job(job, 'its parent job has ended', '', now)
    elseif above == 'running' then
      fire_complete(job, now)
      look_at_children(job, now)
      settle(job, now)
    end
  elseif job and tag == 'join' then
    if job.status == 'paused' or job.status == 'failed' then
      call('ZADD', k_timers(), now + 1000, member)
    elseif not ENDED[job.status] then
      time_out(job, about, now)
    end
  elseif job and job.status ~= 'completed' and job.status ~= 'cancelled' then
    job.timers = job.timers - 1
    if find_route(job, routine_of(tag)) then
      enqueue(job, tag)
      save_job(job, now)
    else
      fail_undefined(job, tag, now)
    end
  end
end
local nearest = call('ZRANGE', k_timers(), 0, 0, 'WITHSCORES')
return { #due, nearest[2] and math.max(0, tonumber(nearest[2]) - now) or -1 }
