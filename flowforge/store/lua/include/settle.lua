-- What follows every transition that took something away: more work may start, the job may be
-- complete, a paused job may have come to rest. Saves the job.
--@include base, job_row, top_up, finish, open_joins
local function settle(job, now)
  if ENDED[job.status] then
    save_job(job, now)
  elseif job.status == 'paused' then
    save_job(job, now)
    if job.running == 0 then notify(job) end
  else
    top_up(job, now)
    if job.missing then
      -- Without them it would complete as if its work were done.
      fail_job(job, nil, 'staged emissions are missing', 'missing ' .. job.staged, now)
      return
    end
    -- An invocation that is in none of these counters waits for a child job, or has stopped at a breakpoint.
    local left = job.queued + job.running + job.parked + job.timers + job.staged
    if left == 0 and call('HLEN', k_invocations(job.id)) == 0
        and not (job.joins and resolve_open(job, now)) then
      finish(job, 'completed', now)
    elseif not ENDED[job.status] then
      save_job(job, now)
    end
  end
end
