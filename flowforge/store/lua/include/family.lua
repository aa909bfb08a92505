-- Jobs that handlers start: what a parent and its children owe each other.
-- A child is known to its parent as child id -> tag of the invocation that waits for it. Pause,
-- cancel and failure reach a child through the look at its ancestors before each claim.

local DEEPEST = 16

-- The slot, in tags, of invocations that wait for a child job.
local WAITING_SLOT = 99999

-- How the job's ancestors stand: 'running' (also without any), 'paused' (paused, or failed and so
-- waiting for a retry), 'gone' (ended for good).
local function ancestors_of(job)
  local parent = job.parent
  for _ = 1, DEEPEST do
    if not parent then return 'running' end
    local row = call('HMGET', k_job(string.match(parent, '^[^/]+')), 'status', 'parent')
    if not row[1] or row[1] == 'cancelled' or row[1] == 'completed' then return 'gone' end
    if row[1] == 'paused' or row[1] == 'failed' then return 'paused' end
    parent = row[2]
  end
  return 'running'
end

-- Has every child looked at soon, after something changed for it here.
local function look_at_children(job, now)
  for _, child in ipairs(call('HKEYS', k_children(job.id))) do
    call('ZADD', k_timers(), now, child .. '/look')
  end
end

-- A child that goes on after its end was told is waited for again, unless it is too late for that.
local function rejoin_parent(job, now)
  if not job.parent then return end
  local id, tag = parts_of(job.parent)
  local parent = load_job(id)
  if parent and not parent.newer and call('LREM', k_backlog(id), 1, tag) == 1 then
    parent.waiting = parent.waiting - 1
    call('HSET', k_children(id), job.id, tag)
    stay_with(parent, k_children(id))
    save_job(parent, now)
  end
end

-- Completion travels up: the invocation that waits for this job may run.
local function report_to_parent(job, now)
  if not job.parent then return end
  local id, tag = parts_of(job.parent)
  local parent = load_job(id)
  if parent and call('HDEL', k_children(id), job.id) == 1 and parent.status ~= 'completed'
      and parent.status ~= 'cancelled' then
    enqueue(parent, tag)
    save_job(parent, now)
  end
end
