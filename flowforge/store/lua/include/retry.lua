-- Continuing a failed job.
--@include base, members, stay_with, job_row, status, timers, undo/undone, children, history, keep_all, go_on

-- Back to where a job stood before it was paused or failed: it may never have been started. Returns as
-- set_status.
local function set_live(job, now)
  call('HSET', k_job(job.id), 'continued', now)
  return set_status(job, call('HEXISTS', k_job(job.id), 'started') == 1 and 'running' or 'pending')
end

-- Makes a failed job live again.
local function revive(job, now)
  keep_all(job)
  call('HDEL', k_job(job.id), 'ended', 'error', 'cause', 'reason', 'by', 'retried')
  call('HINCRBY', k_job(job.id), 'retries', 1)
  local flow = set_live(job, now)
  if flow then
    --@include job_totals
    add_to_total(flow, 'retried', 1, now)
  end
  if job.extras then
    --@include keyed
    take_place_again(job, now)
  end
end

-- A child that is to go on after its end was reported is waited for again. If the invocation that waited
-- has gone on without it, the child goes on alone. False when it cannot: jobs that were cancelled or are undone
-- take theirs along.
local function rejoin_parent(job, now)
  if not job.parent then return true end
  local id, invocation = parts_of(job.parent)
  local parent = load_job(id)
  if parent and parent.newer then return true end
  if parent and (parent.status == 'cancelled' or is_undone(parent)) then return false end
  if not parent or call('HEXISTS', k_invocations(id), invocation) == 0 then
    call('HDEL', k_job(job.id), 'parent')
    job.parent = nil
    return true
  end
  -- The invocation itself is on its way; the next script that meets it lets it wait (await_again).
  if call('HSET', k_children(id), job.id, invocation) == 1 then
    call('HSETNX', k_child_failures(id), invocation, job.id .. ' ' .. retries_of(id))
    stay_with(parent, k_child_failures(id))
  end
  stay_with(parent, k_children(id))
  -- No other script would see that the parent is not retried any more.
  if parent.status == 'failed' then
    set_timer(now + math.max(0, call('PTTL', k_job(id))) + 1000, job.id, 'look')
  end
  return true
end

-- details: packed, for the history, or ''; within: milliseconds in which it is to finish, or nil. 'ok', or why a
-- failed job cannot go on: 'undefined', 'orphaned', 'undone' (what it did is compensated).
local function retry_job(job, details, now, within)
  if call('HEXISTS', k_definition(job.def), 'json') == 0 then return 'undefined' end
  if job.extras and call('HEXISTS', k_job(job.id), 'undo') == 1 then return 'undone' end
  if not rejoin_parent(job, now) then return 'orphaned' end
  revive(job, now)
  if job.extras or within then
    --@include deadlines
    renew_deadlines(job, within, now)
  end
  remember(job, 'retry', '', details)
  go_on(job, now)
  notify(job)
  return 'ok'
end
