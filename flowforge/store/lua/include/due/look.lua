-- A job is looked at: it, or one above it, may have what lets it go on. The end of one that has ended is
-- reported once more, since a release that did not know its parent's row has left that out.
--@include base, timers, child_jobs, children, cancel_job, go_on
local function look_at_job(job, now)
  if ENDED[job.status] then
    -- One that failed may be about to be retried with its parent.
    if not job.parent or not call('ZSCORE', k_timers(), timer_of(job.id, 'retry', job.parent)) then
      report_to_parent(job, now)
    end
    return
  end
  if job.held then
    --@include held, gate
    local _, why = may_go_on_unheld(job)
    if why == 'orphaned' then return cancel_orphan(job, now) end
    if not pass_gate(job, now) then return end
  end
  local may, why = may_go_on(job)
  if may then
    go_on(job, now)
  elseif why == 'orphaned' then
    cancel_orphan(job, now)
  end
end
