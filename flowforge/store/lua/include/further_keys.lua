-- The idempotency keys of the calls that a debounced job stands for, but the first. They live as long as the job.
--@include base, state

local function further_keys_of(id)
  local keys = call('LRANGE', k_further_keys(id), 0, -1)
  spent = spent + 0.1 * #keys
  return keys
end

-- They go when the retention has passed from now on.
local function let_further_keys_expire(job)
  for _, key in ipairs(further_keys_of(job.id)) do call('PEXPIRE', k_idempotency(key), job.retention) end
  call('PEXPIRE', k_further_keys(job.id), job.retention)
end

local function keep_further_keys(job)
  for _, key in ipairs(further_keys_of(job.id)) do call('PERSIST', k_idempotency(key)) end
  call('PERSIST', k_further_keys(job.id))
end

-- Of a job that is deleted.
local function delete_further_keys(id)
  for _, key in ipairs(further_keys_of(id)) do
    if call('GET', k_idempotency(key)) == id then call('UNLINK', k_idempotency(key)) end
  end
  call('UNLINK', k_further_keys(id))
end
