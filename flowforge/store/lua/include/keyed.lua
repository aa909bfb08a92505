-- The keys of a job that not every job has: a job at a time, calls that come one after another, and the
-- idempotency keys of these calls.
--@include base, single, debounce, further_keys

-- A job ends: the next one of its key has its turn.
local function leave_keys(job, now)
  local f = call('HMGET', k_job(job.id), 'debounce', 'single')
  if f[1] then leave_key(job, f[1]) end
  let_further_keys_expire(job)
  if f[2] then give_place_up(job, f[2], now) end
end

-- A failed job goes on.
local function take_place_again(job, now)
  local single = call('HGET', k_job(job.id), 'single')
  if single then queue_up(job, single, now) end
end
