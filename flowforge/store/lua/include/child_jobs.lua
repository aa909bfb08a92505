-- Jobs that handlers start: how they and the jobs that have started them affect each other.
-- A child is known to its parent as child id -> the invocation that waits for it. Pause,
-- cancel and failure reach a child through the look at its ancestors before each claim.
--@include base, job_row

-- Ancestors looked at: more than any job has; a loop in damaged data must not hang the server.
local DEEPEST = 10000

-- The slot of an invocation that waits for a child job: CHILD_SLOT_INDEX of model/slot.py.
local CHILD_SLOT = '99999'

-- Whether work of the job may start now. If not, why: 'parked' (it or an ancestor is paused or waits for its
-- turn, it has failed, or an ancestor has and waits for a retry: what it has is parked), 'orphaned' (an ancestor
-- has ended for good), 'ended' (it has itself).
local function may_go_on(job)
  local at, why = job, 'ended'
  for _ = 1, DEEPEST do
    if at.status == 'paused' or at.status == 'failed' or at.held then
      if at == job then return false, 'parked' end
      --@include undo/undone
      return false, is_undone(at) and why or 'parked'
    end
    if ENDED[at.status] then return false, why end
    if not at.parent then return true end
    at, why = load_job(string.match(at.parent, '^[^/]+')), 'orphaned'
    if not at then return false, why end
  end
  return true
end
