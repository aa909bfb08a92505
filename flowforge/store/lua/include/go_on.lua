-- Going on after a pause, of the job or of one above it, or after a failure.
--@include base, children, complete_joins, settle, late_joins

-- Goes on with what was late or parked, in the job and in those that it has started.
local function go_on(job, now)
  if job.held and job.gated then
    --@include gate
    pass_gate(job, now)
    if ENDED[job.status] then return end
  end
  bring_back_late(job, now)
  fire_complete(job, now)
  look_at_children(job, now)
  settle(job, now)
end
