-- Jobs that are held: all that they have is parked until they may begin.
--@include base, job_row, timers, child_jobs

-- As may_go_on, for what keeps a held job from going on besides.
local function may_go_on_unheld(job)
  job.held = nil
  local may, why = may_go_on(job)
  job.held = true
  return may, why
end

-- A job that was held may begin, or has ended.
local function wait_no_more(job)
  clear_timers(job.id, 'look')
  call('HDEL', k_job(job.id), 'held')
  job.held = nil
end

-- What a held job has goes on.
local function start_held(job, now)
  wait_no_more(job)
  if job.status == 'paused' then return end
  --@include release/parked
  release_parked(job, 128, now)
  -- What a job that was retried has more.
  if call('HEXISTS', k_job(job.id), 'started') == 1 then set_timer(now, job.id, 'look') end
  save_job(job, now)
end
