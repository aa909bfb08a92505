-- A place that is free goes to who has waited longest for it.
--@include base, members, state, shared, job_row, push, park, timers, limits/keys

-- Waiters that one call looks at for a key: more are let in by a timer that is due at once.
local MOST_LET_IN = 32

-- Milliseconds from which on the history says that an invocation has waited.
local TOLD_FROM = 1000

-- How often the turn of an invocation may come in vain before places are kept for it: once may be by chance.
local VAIN_TURNS = 2

-- The turn of an invocation has come at a key, and another one that it needs is full: it waits there. With its
-- number it is before all that came later. If its turns were in vain before, the place is kept for it, or others would
-- take it each time, and at the other key too. Nothing waits in a circle: of two the earlier one takes what is kept
-- for the later one.
local function wait_elsewhere(job, invocation, keys, number, at, full, now, wake)
  local member = job.id .. '/' .. invocation
  if call('HINCRBY', k_limited(job.id), 'v' .. invocation, 1) >= VAIN_TURNS then promise(at, number, member, full) end
  for _, key in ipairs(keys) do
    local kept = promise_at(key)
    if kept and kept.member == member then promise(key, number, member, full) end
  end
  wait_at(job, invocation, full, number, now, wake)
end

-- Whether a waiter has got the place. What is not to run is let go or parked, and what needs a place elsewhere
-- waits there.
local function let_in(member, number, at, now)
  local id, invocation = parts_of(member)
  local job = load_job(id)
  if not job or job.status == 'completed' or job.status == 'cancelled' then return false end
  if job.newer then
    -- For a leader of its own release; put behind the others meanwhile.
    shared('ZADD', k_limit_waiters(at), next_waiter(now), member)
    return false
  end
  if invocation == WHOLE_JOB then
    --@include limits/whole_job
    return let_job_in(job, number, at, now, wait_elsewhere)
  end
  if call('HEXISTS', k_invocations(id), invocation) == 0 then return false end
  job.at_limits = math.max(0, (job.at_limits or 0) - 1)
  if not find_route(job, routine_of(invocation)) then
    if ENDED[job.status] then
      park(job, invocation)
    else
      -- Its timer fails the job.
      set_timer(now, id, 'invocation', invocation)
      job.timers = job.timers + 1
    end
  elseif job.status == 'paused' or job.status == 'failed' then
    park(job, invocation)
  else
    local keys = keys_of(job, invocation) or {}
    for _, key in ipairs(keys) do
      if key ~= at and settings_of(key).full == 'wait' then
        local room, wake = room_at(key, now, number)
        if room <= 0 then
          wait_elsewhere(job, invocation, keys, number, at, key, now, wake)
          save_job(job, now)
          return false
        end
      end
    end
    for _, key in ipairs(keys) do
      local kept = keys[2] and promise_at(key)
      if kept and kept.member == member then shared('HDEL', k_limit_promises(), key) end
      if settings_of(key).full == 'wait' then reserve(key, member, now) end
    end
    local waited = now - math.floor(number / 100)
    if waited >= TOLD_FROM then
      --@include history
      remember(job, 'waited_at_limit', invocation, string.format('%d %s', waited, at))
    end
    push_message(job, invocation, number)
    save_job(job, now)
    return true
  end
  save_job(job, now)
  return false
end

-- Lets in as many as there is room for at a key. An error at one waiter must not undo what the script is about.
local function hand_on(key, now)
  local waiters = k_limit_waiters(key)
  for _ = 1, MOST_LET_IN do
    local first = shared('ZRANGE', waiters, 0, 0, 'WITHSCORES')
    if not first[1] then return end
    local number = tonumber(first[2])
    local room, wake = room_at(key, now, number)
    if room <= 0 then
      if wake then set_timer(wake, LIMITS, 'limit', key) end
      return
    end
    spent = spent + 0.5
    shared('ZREM', waiters, first[1])
    local done, problem = pcall(let_in, first[1], number, key, now)
    if not done then
      shared('ZADD', waiters, (now + 60000) * 100, first[1])
      call('HINCRBY', k_damaged(), 'limits ' .. string.sub(first[1], 1, 200) .. ': '
        .. (type(problem) == 'table' and problem.err or tostring(problem)), 1)
    end
  end
  if call('EXISTS', waiters) == 1 then set_timer(now, LIMITS, 'limit', key) end
end

local function hand_on_all(keys, now)
  for _, key in ipairs(keys) do hand_on(key, now) end
end

-- Gives on the places of what is not claimed: it had a message, and is parked or gone.
local function leave_limits(job, invocation, now)
  local keys, member, freed = keys_of(job, invocation), job.id .. '/' .. invocation, {}
  for _, key in ipairs(keys or {}) do
    if shared('ZREM', k_limit_places(key), member, member .. '/') > 0 then freed[#freed + 1] = key end
  end
  hand_on_all(freed, now)
end
