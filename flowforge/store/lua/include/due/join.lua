-- The time of an open collection is over.
--@include base, job_row, timers, child_jobs, join_rules, join, cancel_job, open_joins, late_joins

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

-- about: 'number field' of the collection, which may have fired since.
local function time_out_join(job, about, now)
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
    set_timer(now + left, job.id, 'join', about)
    return
  end
  give_up(job, field, number, tonumber(count), 'late', now)
  if ENDED[job.status] then
    keep_late(job, about)
  else
    save_job(job, now)
  end
end
