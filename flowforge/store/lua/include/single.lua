-- One job at a time: the jobs of a key in the order of their turns, the first of which holds the key. A job has
-- its place from when it is submitted or retried until it ends, and if it is undone, until that has ended. The others
-- are held: all that they have is parked.
--@include base, shared, job_row, timers, history, held

-- Milliseconds between two looks at whether the job before the first one that waits is still there.
local LOOK_AFTER = 60000

-- Whether a job has ended and its undo has not begun, as handlers of it still run.
local function is_to_be_undone(job) return call('HGET', k_job(job.id), 'undo') == 'waits' end

-- Whether a job is being undone, or undoes another one: that is not cut short.
local function is_undo(job)
  return ENDED[job.status] or call('HEXISTS', k_job(job.id), 'undoes') == 1
end

-- The job that holds the key, or nil. Jobs that are no longer there lose their places.
local function holder_of(key)
  local first = shared('ZRANGE', k_single(key), 0, 0)[1]
  while first do
    local job = load_job(first)
    if job and (not ENDED[job.status] or is_to_be_undone(job)) then return job end
    shared('ZREM', k_single(key), first)
    first = shared('ZRANGE', k_single(key), 0, 0)[1]
  end
end

-- Has the first one that waits looked at later: nothing that ends by a script needs it.
local function watch_next(key, now)
  local next = shared('ZRANGE', k_single(key), 1, 1)[1]
  if next then set_timer(now + LOOK_AFTER, next, 'look') end
end

-- Puts a job behind all others of the key.
local function take_place(key, id)
  local last = shared('ZRANGE', k_single(key), -1, -1, 'WITHSCORES')
  shared('ZADD', k_single(key), (tonumber(last[2]) or 0) + 1, id)
end

-- Gives a job the place of another one.
local function take_place_of(key, id, other)
  shared('ZADD', k_single(key), shared('ZSCORE', k_single(key), other), id)
  shared('ZREM', k_single(key), other)
end

-- The job that is to replace one that is undone, as soon as that has ended; nil: none is.
local function next_of(job, key)
  local id = call('HGET', k_job(job.id), 'next')
  local found = id and shared('ZSCORE', k_single(key), id) and load_job(id)
  return found and not ENDED[found.status] and found or nil
end

-- Puts a job behind the first one of the key, which is undone, before all others.
local function take_next_place(key, id)
  local two = shared('ZRANGE', k_single(key), 0, 1, 'WITHSCORES')
  local at = tonumber(two[2])
  shared('ZADD', k_single(key), (at + (tonumber(two[4]) or at + 2)) / 2, id)
  call('HSET', k_job(two[1]), 'next', id)
end

-- The job that undoes one has its place from now on.
local function hand_place_to(undoing, job, key)
  if not shared('ZSCORE', k_single(key), job.id) then return end
  take_place_of(key, undoing, job.id)
  call('HSET', k_job(undoing), 'single', key)
  local next = call('HGET', k_job(job.id), 'next')
  if next then call('HSET', k_job(undoing), 'next', next) end
end

-- Nothing of its key is before the job: what it has goes on, with places of the limits of its flow.
-- key: nil without one.
local function let_start(job, key, now)
  if job.gated then
    --@include limits/whole_job
    if not take_job_places(job, now) then return end
  end
  if key then remember(job, 'turn', '', '') end
  start_held(job, now)
end

-- Whether a held job goes on now: those before it are gone.
local function has_turn(job, now)
  local key = call('HGET', k_job(job.id), 'single')
  local holder = key and holder_of(key)
  if holder and holder.id ~= job.id then
    watch_next(key, now)
    return false
  end
  let_start(job, key, now)
  return not job.held
end

-- A job that has ended gives its place up, and the next one has its turn.
local function give_place_up(job, key, now)
  shared('ZREM', k_single(key), job.id)
  if job.held then wait_no_more(job) end
  local holder = holder_of(key)
  if not holder then return end
  -- By a leader of its release.
  if holder.newer then return set_timer(now, holder.id, 'look') end
  if holder.held then let_start(holder, key, now) end
  watch_next(key, now)
end

-- A job waits for its turn behind the others of the key. A new one may have ended by then: as a join that
-- nothing can fill.
local function hold(job, key, holder, now)
  if ENDED[job.status] then return end
  call('HSET', k_job(job.id), 'held', 1)
  job.held = true
  remember(job, 'held', '', holder.id)
  watch_next(key, now)
end

-- Gives a job that is retried a place again.
local function queue_up(job, key, now)
  take_place(key, job.id)
  local holder = holder_of(key)
  if holder.id ~= job.id then hold(job, key, holder, now) end
end
