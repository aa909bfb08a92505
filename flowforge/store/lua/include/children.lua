-- What a job and those that its handlers have started say to each other. child_jobs.lua has what every claim
-- needs of it.
--@include base, members, stay_with, job_row, push, pieces, timers, waits_for_child

-- Has every child looked at, after something changed for it here; many in pieces, by the upkeep.
local function look_at_children(job, at)
  if call('HLEN', k_children(job.id)) > FEW then
    set_timer(at, job.id, 'children', '0')
  else
    for _, child in ipairs(call('HKEYS', k_children(job.id))) do
      set_timer(at, child, 'look')
    end
  end
end

-- How often the job was retried, as text.
local function retries_of(id)
  return call('HGET', k_job(id), 'retries') or '0'
end

-- The end of a job goes up: the invocation that waits for it may run. A failure is kept with the
-- invocation that it is reported to: a retry, of the child or of the parent, takes it back.
local function report_to_parent(job, now)
  if not job.parent then return end
  local id, invocation = parts_of(job.parent)
  local parent = load_job(id)
  -- By a leader of the parent's release.
  if parent and parent.newer then return set_timer(now + 1000, job.id, 'look') end
  if not parent or call('HDEL', k_children(id), job.id) == 0
      or parent.status == 'completed' or parent.status == 'cancelled' then
    return
  end
  local on_its_way = call('HEXISTS', k_child_failures(id), invocation) == 1
  if job.status == 'failed' then
    call('HSET', k_child_failures(id), invocation, job.id .. ' ' .. retries_of(id))
    stay_with(parent, k_child_failures(id))
  end
  if on_its_way then return end
  enqueue(parent, invocation)
  save_job(parent, now)
end

-- A child's failure that was reported to an invocation holds until one of the two is retried; a retry of
-- the parent is one of the child. 'waits': it waits for the child again, and is nowhere else;
-- 'ended': the child has ended again; nil: the failure holds.
local function await_again(job, invocation, now)
  local failure = waits_for_child(invocation) and call('HGET', k_child_failures(job.id), invocation)
  if not failure then return nil end
  local id, retries = string.match(failure, '^(%S+) (%d+)$')
  local child = load_job(id)
  local lives = child and not ENDED[child.status]
  if child and child.status == 'failed' then
    if retries == retries_of(job.id) then return nil end
    set_timer(now, id, 'retry', job.id .. '/' .. invocation)
    lives = true
  end
  call('HDEL', k_child_failures(job.id), invocation)
  call('HDEL', k_claims(job.id), invocation, 'l' .. invocation, 'u' .. invocation)
  if not lives then return 'ended' end
  call('HSET', k_children(job.id), id, invocation)
  return 'waits'
end
