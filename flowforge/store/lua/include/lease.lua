-- The fence: a lease is a member id/tag/token of one sorted set, scored with its expiry.
-- Removing it is the right to decide what became of the invocation; only one caller gets it.
--@include base, push, history, family, finish, trash
local function take_lease(id, tag, token)
  return call('ZREM', k_leases(), id .. '/' .. tag .. '/' .. token) == 1
end

-- Why a lease could not be taken: the job or the invocation is no more, or another holds it.
local function why_no_lease(id, tag)
  if call('EXISTS', k_job(id)) == 0 then return 'gone' end
  if call('HEXISTS', k_invocations(id), tag) == 1 then return 'stale' end
  return 'done'
end

-- What an attempt staged goes with it.
local function drop_staged(id, tag, token)
  local attempt = id .. '/' .. tag .. '/' .. token
  call('UNLINK', k_segment(attempt), k_segment(attempt .. OUTPUTS))
end

-- A handler that ran for a job that has ended: nothing of it counts. Work of a failed job is
-- parked for its retry.
local function discard(job, tag, now)
  local r = routine_of(tag)
  call('HINCRBY', k_routines(job.id), r .. '.dropped', 1)
  if job.status == 'failed' then
    call('HDEL', k_attempts(job.id), tag, 'l' .. tag)
    park(job, tag)
  end
  save_job(job, now)
end

-- Closes one attempt in the routine's counters. how: the counter to raise; status: how the
-- routine stands now.
local function count_attempt(job, tag, how, status, micros, now)
  local r = routine_of(tag)
  local key = k_routines(job.id)
  call('HINCRBY', key, r .. '.' .. how, 1)
  if micros > 0 then call('HINCRBY', key, r .. '.micros', micros) end
  call('HSET', key, r .. '.status', status, r .. '.ended', now, r .. '.latest', micros)
end

-- Keeps the error of an attempt as the routine's latest: when, and the packed details of the attempt.
local function keep_error(job, tag, details, now)
  call('HSET', k_routines(job.id), routine_of(tag) .. '.error', string.format('%d ', now) .. details)
end

-- True for an attempt that has found that a child job failed, which was retried since: what became of
-- the attempt does not count.
local function withdraw(job, tag, micros, details, now)
  local how = await_again(job, tag, now)
  if not how then return false end
  count_attempt(job, tag, 'released', 'pending', micros, now)
  remember(job, 'released', tag, details)
  if how == 'ended' then enqueue(job, tag) end
  settle(job, now)
  return true
end
