-- Pushes again what was popped but never claimed.
-- In:  broker list, then push number, id/tag each
-- Out: {pushed again, parked, dropped}
--@include base, push, finish
local list = ARGV[2]
local now = now_ms()
local pushed, parked, dropped = 0, 0, 0
for i = 3, #ARGV, 2 do
  local number, member = ARGV[i], ARGV[i + 1]
  -- Claimed or pushed again since the caller looked: not lost.
  if call('ZSCORE', k_unclaimed(list), member) == number then
    local id, tag = parts_of(member)
    local job = load_job(id)
    local wanted = job and job.status ~= 'completed' and job.status ~= 'cancelled'
    call('ZREM', k_unclaimed(list), member)
    if job and job.newer then
      -- The message alone, so that it finds a worker of the release that wrote the job.
      if find_route(job, routine_of(tag)) then push(job, tag) end
      pushed = pushed + 1
    elseif wanted then
      job.queued = job.queued - 1
      if not find_route(job, routine_of(tag)) then
        if job.status ~= 'failed' then fail_undefined(job, tag, now) end
        parked = parked + 1
      elseif job.status == 'paused' or job.status == 'failed' then
        park(job, tag)
        parked = parked + 1
      else
        push(job, tag)
        pushed = pushed + 1
      end
      save_job(job, now)
    else
      dropped = dropped + 1
    end
  end
end
return { pushed, parked, dropped }
