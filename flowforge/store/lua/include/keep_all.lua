-- An ended job that does not expire for now: it goes on, or its undo is to begin.
--@include base, deletions, expiry, further_keys

-- What is kept is forgotten when the retention has passed from now on.
local function let_expire(job, now)
  local rare = call('HMGET', k_job(job.id), 'idempotency', 'logs', 'params', 'inputs', 'starts')
  for _, key in ipairs(kept_of(job.id, rare[2], rare[3] == 'kept', rare[4], rare[5], job.extras)) do
    call('PEXPIRE', key, job.retention)
  end
  if job.status == 'failed' then
    keep_work(job, job.retention)
  else
    call('PEXPIRE', k_children(job.id), job.retention + SPARE)
  end
  if rare[1] then call('PEXPIRE', k_idempotency(rare[1]), job.retention) end
  if job.extras then let_further_keys_expire(job) end
  call('ZADD', k_expiry(), now + job.retention, job.id)
  leave_definition(job.def, now, job.retention)
end

-- An ended job is kept until let_expire, and so is its definition.
local function keep_all(job)
  call('HINCRBY', k_definition(job.def), 'active', 1)
  call('PERSIST', k_definition(job.def))
  local hashes, lists = work_of(job.id, job)
  for _, keys in ipairs({ kept_of(job.id, true, true, true, true, true), hashes, lists }) do
    for _, key in ipairs(keys) do call('PERSIST', key) end
  end
  local idempotency = call('HGET', k_job(job.id), 'idempotency')
  if idempotency then call('PERSIST', k_idempotency(idempotency)) end
  if job.extras then keep_further_keys(job) end
  call('ZREM', k_expiry(), job.id)
end
