-- Limits of a flow: a job has a place of each from its begin to its end, and is held until then. At a limit it goes as
-- the invocation WHOLE_JOB, and its place has the form of one that is kept across attempts ('job/0.0.0/').
--@include base, shared, job_row, timers, history, held, limits/step, limits/promises, limits/wait

-- Milliseconds from which on the history says that a job has waited.
local LONG = 1000

-- The keys of the job, in their order, or nil; and its number, if it has waited.
local function keys_of_job(job)
  local f, keys = call('HMGET', k_limited(job.id), WHOLE_JOB, 'n' .. WHOLE_JOB), {}
  if not f[1] then return nil end
  for key in string.gmatch(f[1], '[^\n]+') do keys[#keys + 1] = key end
  return keys, tonumber(f[2] or nil)
end

-- Whether nothing else keeps a held job from going on. What is paused, below what is, or put off, is in no line.
local function may_begin(job, now)
  local f = call('HMGET', k_job(job.id), 'due', 'started')
  if f[1] and not f[2] and tonumber(f[1]) > now then return false end
  return (may_go_on_unheld(job))
end

-- All of them have room. number: as it has waited, or nil.
local function take_all(job, keys, number, now)
  local id, member, start = job.id, job.id .. '/' .. WHOLE_JOB, now
  for _, key in ipairs(keys) do
    local at = at_key(key)
    if at.interval and not at.off then
      --@include limits/rate
      local reserved = shared('ZCOUNT', at.places, '-inf', '(0')
      start = math.max(start, (next_start(at, reserved, now)))
    end
  end
  for _, key in ipairs(keys) do
    local at = at_key(key)
    add_place(at, now, member .. '/')
    shared('ZADD', k_limit_keys(), 'NX', now + LOOK, key)
    if at.interval then
      --@include limits/rate
      count_start(at, start, now)
    end
  end
  call('HDEL', k_limited(id), 'n' .. WHOLE_JOB, 'v' .. WHOLE_JOB)
  local waited = number and math.max(0, now - math.floor(number / 100)) or 0
  if start > now or waited > 0 then
    call('HSET', k_limited(id), 's' .. WHOLE_JOB, string.format('%d %d', math.ceil(start), waited))
    if not string.find(job.uses, STARTS, 1, true) then
      job.uses = job.uses .. STARTS
      call('HSET', k_job(id), 'uses', job.uses)
    end
  end
  if waited >= LONG then remember(job, 'waited_at_limit', '', string.format('%d %s', waited, keys[1])) end
end

local function is_in_line(job, keys)
  for _, key in ipairs(keys) do
    if shared('ZSCORE', k_limit_waiters(key), job.id .. '/' .. WHOLE_JOB) then return true end
  end
  return false
end

-- Whether a held job has its places now. Else it waits in a line, or stays where nothing is to begin, or a limit refuses
-- it: job.refused is the key and what the limit says then, and the upkeep looks at it unless the caller does.
local function take_job_places(job, now)
  local keys, number = keys_of_job(job)
  if not keys then return true end
  if not may_begin(job, now) or number and is_in_line(job, keys) then return false end
  -- It may have lost its turn with the line.
  if not job.limited then job.at_limits = 0 end
  for _, key in ipairs(keys) do
    local at = at_key(key)
    if not at.off then
      local room, wake = room_at(at, now, number)
      local first = at.full == 'wait' and shared('ZRANGE', k_limit_waiters(key), 0, 0, 'WITHSCORES')[2]
      -- What comes later never overtakes.
      if room <= 0 or first and not (number and number < tonumber(first)) then
        -- A place can be taken from another job, but no start that a rate does not allow yet.
        if at.full == 'wait' or at.full == 'replace' and wake then
          wait_at(job, WHOLE_JOB, at, number, now, wake)
          save_job(job, now)
        else
          job.refused = { key = key, policy = at.full }
          set_timer(now, job.id, 'look')
        end
        return false
      end
    end
  end
  take_all(job, keys, number, now)
  return true
end

-- A place is free at a key, and a job is the first that waits there: whether it has got it. elsewhere:
-- wait_elsewhere of hand_on.
local function let_job_in(job, number, at, now, elsewhere)
  local keys = keys_of_job(job)
  if ENDED[job.status] or not job.held or not keys then return false end
  job.at_limits = math.max(0, (job.at_limits or 0) - 1)
  local goes = may_begin(job, now)
  for _, key in ipairs(goes and keys or {}) do
    local other = at_key(key)
    if goes and other ~= at and not other.off then
      local room, wake = room_at(other, now, number)
      if room <= 0 and other.full == 'wait' then
        elsewhere(job, WHOLE_JOB, keys, number, at, other, now, wake)
      elseif room <= 0 then
        -- Another limit refuses it, which may end it.
        set_timer(now, job.id, 'look')
      end
      goes = room > 0
    end
  end
  if goes then
    for _, key in ipairs(keys[2] and keys or {}) do drop_promise_to(at_key(key), job.id .. '/' .. WHOLE_JOB) end
    take_all(job, keys, number, now)
    start_held(job, now)
  end
  save_job(job, now)
  return goes
end

-- A job that ends waits no more.
local function leave_line(job)
  for _, key in ipairs(keys_of_job(job) or {}) do
    if remove_waiter(at_key(key), job.id .. '/' .. WHOLE_JOB) then
      job.at_limits = math.max(0, job.at_limits - 1)
    end
  end
  call('HDEL', k_limited(job.id), 'n' .. WHOLE_JOB, 'v' .. WHOLE_JOB, 's' .. WHOLE_JOB)
  if job.held then wait_no_more(job) end
end
