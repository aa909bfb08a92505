-- Jobs that handlers start: what a parent and its children owe each other.
-- A child is known to its parent as child id -> tag of the invocation that waits for it. Pause,
-- cancel and failure reach a child through the look at its ancestors before each claim.
--@include base, push, trash

-- Ancestors looked at: more than anybody has; a loop in damaged data must not hang the server.
local DEEPEST = 10000

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

-- Has every child looked at, after something changed for it here; many in pieces, by the upkeep.
local function look_at_children(job, at)
  if call('HLEN', k_children(job.id)) > FEW then
    call('ZADD', k_timers(), at, job.id .. '/children/0')
  else
    for _, child in ipairs(call('HKEYS', k_children(job.id))) do
      call('ZADD', k_timers(), at, child .. '/look')
    end
  end
end

-- Completion travels up: the invocation that waits for this job may run.
local function report_to_parent(job, now)
  if not job.parent then return end
  local id, tag = parts_of(job.parent)
  local parent = load_job(id)
  if parent and not parent.newer and call('HDEL', k_children(id), job.id) == 1
      and parent.status ~= 'completed' and parent.status ~= 'cancelled' then
    enqueue(parent, tag)
    save_job(parent, now)
  end
end
