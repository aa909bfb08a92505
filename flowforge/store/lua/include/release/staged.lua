-- Turning staged emissions into invocations while there is room for them.
--@include base, state, lanes, push, timers, deliver

-- Whether there is room. Staged work comes behind what is parked. In lanes it goes on while one of them has
-- nothing parked: what goes to the others is parked there, so that it keeps nothing behind it.
local function takes_staged(job)
  if room_of(job) <= 0 then return false end
  if job.queues > 1 then return not lanes_of(job).all_parked() end
  return job.parked == 0
end

-- enough: how much is done at most, in messages.
local function release_staged(job, enough, now)
  local most = spent + enough
  local segment = call('LINDEX', k_segments(job.id), 0)
  while segment and spent < most and takes_staged(job) do
    local item = call('LPOP', k_segment(segment))
    if item then
      local r, s, length, start = string.match(item, '^(%d+) (%d+) (%d+) ()')
      local mode = string.sub(item, start, start + length - 1)
      job.staged = job.staged - 1
      spent = spent + #item / BYTES
      deliver(job, r, s, mode, string.sub(item, start + length), true)
      -- What was parked in its lane was not pushed.
      if job.queues > 1 then spent = spent + 0.3 end
    else
      call('LPOP', k_segments(job.id))
      segment = call('LINDEX', k_segments(job.id), 0)
    end
  end
  -- It was enough, though there is room: items of joins take none, and start nothing that would come back
  -- here.
  if segment and takes_staged(job) then set_timer(now, job.id, 'more') end
end
