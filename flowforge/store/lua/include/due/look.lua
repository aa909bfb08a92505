-- A job is looked at: it, or one above it, may have what lets it go on.
--@include child_jobs, finish, go_on
local function look_at_job(job, now)
  local may, why = may_go_on(job)
  if may then
    go_on(job, now)
  elseif why == 'orphaned' then
    cancel_orphan(job, now)
  end
end
