-- What follows every transition that took something away: more work may start, the job may be
-- complete, a paused job may have come to rest. Saves the job.
--@include base, job_row, top_up
local function settle(job, now)
  local live = job.status ~= 'paused' and not ENDED[job.status]
  if live then top_up(job, now) end
  -- An invocation that is in none of these counters waits for a child job, or has stopped at a breakpoint.
  local left = job.queued + job.running + job.parked + job.timers + job.staged
  if live and job.missing then
    -- Without them it would complete as if its work were done.
    --@include fail_job
    fail_job(job, nil, 'staged emissions are missing', 'missing ' .. job.staged, now)
    return
  elseif live and left == 0 and call('HLEN', k_invocations(job.id)) == 0 then
    local goes_on = false
    if job.joins then
      --@include open_joins
      goes_on = resolve_open(job, now)
    end
    if job.extras and not goes_on then
      --@include undo/next
      goes_on = next_compensation(job, now)
    end
    if not goes_on then
      --@include finish
      finish(job, 'completed', now)
      return
    end
    if ENDED[job.status] then return end
  end
  save_job(job, now)
  if job.status == 'paused' and job.running == 0 then
    --@include status
    notify(job)
  end
end
