-- Attempts of which nothing counts.
--@include base, job_row, push, park, outputs, children, history, attempt, settle

-- What an attempt staged goes with it.
local function drop_staged(id, invocation, token)
  local attempt = id .. '/' .. invocation .. '/' .. token
  call('UNLINK', k_segment(attempt), k_segment(attempt .. OUTPUTS))
end

-- A handler that ran for a job that has ended: nothing of it counts. Work of a failed job is
-- parked for its retry.
local function discard(job, invocation, now)
  local r = routine_of(invocation)
  call('HINCRBY', k_routines(job.id), r .. '.dropped', 1)
  if job.status == 'failed' then
    call('HDEL', k_claims(job.id), invocation, 'l' .. invocation)
    park(job, invocation)
  end
  save_job(job, now)
  if job.extras and job.running == 0 then
    --@include undo/begin
    begin_waiting_undo(job, now)
  end
end

-- True for an attempt that has found that a child job failed, which was retried since: what became of
-- the attempt does not count.
local function withdraw(job, invocation, micros, details, now)
  local how = await_again(job, invocation, now)
  if not how then return false end
  count_attempt(job, routine_of(invocation), 'released', 'pending', micros, now)
  remember(job, 'released', invocation, details)
  if how == 'ended' then enqueue(job, invocation) end
  settle(job, now)
  return true
end
