-- The fence: a lease is a member id/invocation/token of one sorted set, scored with its expiry.
-- Removing it is the right to decide what became of the invocation; only one caller gets it.
--@include base, job_row, push, deletions, child_jobs, history, settle
local function take_lease(id, invocation, token)
  return call('ZREM', k_leases(), id .. '/' .. invocation .. '/' .. token) == 1
end

-- Why a lease could not be taken: the job or the invocation is no more, or another holds it.
local function why_no_lease(id, invocation)
  if call('EXISTS', k_job(id)) == 0 then return 'gone' end
  if call('HEXISTS', k_invocations(id), invocation) == 1 then return 'stale' end
  return 'done'
end

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
end

-- Closes one attempt in the routine's counters. how: the counter to raise; status: how the
-- routine stands now.
local function count_attempt(job, invocation, how, status, micros, now)
  local r = routine_of(invocation)
  local key = k_routines(job.id)
  call('HINCRBY', key, r .. '.' .. how, 1)
  if micros > 0 then call('HINCRBY', key, r .. '.micros', micros) end
  call('HSET', key, r .. '.status', status, r .. '.ended', now, r .. '.latest', micros)
end

-- Keeps the error of an attempt as the routine's latest: when, and the packed details of the attempt.
local function keep_error(job, invocation, details, now)
  call('HSET', k_routines(job.id), routine_of(invocation) .. '.error', string.format('%d ', now) .. details)
end

-- True for an attempt that has found that a child job failed, which was retried since: what became of
-- the attempt does not count.
local function withdraw(job, invocation, micros, details, now)
  local how = await_again(job, invocation, now)
  if not how then return false end
  count_attempt(job, invocation, 'released', 'pending', micros, now)
  remember(job, 'released', invocation, details)
  if how == 'ended' then enqueue(job, invocation) end
  settle(job, now)
  return true
end
