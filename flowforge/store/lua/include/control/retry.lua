-- Retrying a failed job.
--@include base, full, request, retry

-- details: packed, for the history; within: milliseconds in which the job is to finish, or nil.
-- 'ok', or why not: 'undefined' (its definition is gone), 'orphaned' (the job that started it was cancelled),
-- 'undone' (what it did is compensated),
-- the status that is not 'failed'.
local function retry_by_hand(job, details, request, now, within)
  if is_met(job.id, request) then return 'ok' end
  write_though_full()
  if job.status ~= 'failed' then
    -- The retry of its parent was its own already; that is said once.
    local done = job.status ~= 'cancelled' and call('HDEL', k_job(job.id), 'retried') == 1
    if done then
      meet(job.id, request)
      if within and not ENDED[job.status] then
        --@include deadlines
        finish_within(job, within, now)
      end
    end
    return done and 'ok' or job.status
  end
  local answer = retry_job(job, details, now, within)
  if answer == 'ok' then meet(job.id, request) end
  return answer
end
