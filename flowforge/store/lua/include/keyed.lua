-- The keys of a job that not every job has: a job at a time, calls that come one after another, and the
-- idempotency keys of these calls.
--@include base, single, debounce, further_keys

-- A job ends: calls find it no more.
local function leave_keys(job)
  local debounce = call('HGET', k_job(job.id), 'debounce')
  if debounce then leave_key(job, debounce) end
  let_further_keys_expire(job)
end

-- A failed job goes on: one of a flow with limits when it has its places again. What undoes another one waits for no
-- turn.
local function take_place_again(job, now)
  local f = call('HMGET', k_job(job.id), 'single', 'undoes')
  if f[2] then return end
  if job.gated then
    local keys = not job.parent and call('HGET', k_job(job.id), 'limits')
    if keys then
      -- A former child job shares no place any more.
      --@include limits/mode
      call('HSET', k_limited(job.id), JOB_LIMITS, keys)
    end
    call('HSET', k_job(job.id), 'held', 1)
    job.held = true
  end
  if f[1] then queue_up(job, f[1], now) end
end
