-- The keys of a job that not every job has: a job at a time, calls that come one after another, and the
-- idempotency keys of these calls.
--@include base, state, single, debounce

-- The idempotency keys of the calls that a job stands for, but the first.
local function further_keys_of(id)
  local keys = call('LRANGE', k_further_keys(id), 0, -1)
  spent = spent + 0.1 * #keys
  return keys
end

-- A job ends: the next one of its key has its turn.
local function leave_keys(job, now)
  local f = call('HMGET', k_job(job.id), 'debounce', 'single')
  if f[1] then leave_key(job, f[1]) end
  for _, key in ipairs(further_keys_of(job.id)) do call('PEXPIRE', k_idempotency(key), job.retention) end
  call('PEXPIRE', k_further_keys(job.id), job.retention)
  if f[2] then give_place_up(job, f[2], now) end
end

-- A failed job goes on.
local function take_keys_again(job, now)
  for _, key in ipairs(further_keys_of(job.id)) do call('PERSIST', k_idempotency(key)) end
  call('PERSIST', k_further_keys(job.id))
  local single = call('HGET', k_job(job.id), 'single')
  if single then queue_up(job, single, now) end
end

-- A job that has ended is deleted.
local function delete_keys(id)
  for _, key in ipairs(further_keys_of(id)) do
    if call('GET', k_idempotency(key)) == id then call('UNLINK', k_idempotency(key)) end
  end
  call('UNLINK', k_further_keys(id))
end
