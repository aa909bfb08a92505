-- A place that is free goes to who has waited longest for it.
--@include base, members, state, shared, job_row, push, park, timers, limits/step, limits/moved, limits/promises, limits/wait

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
  if call('HINCRBY', k_limited(job.id), 'v' .. invocation, 1) >= VAIN_TURNS then promise(at, number, member, full.key) end
  for _, key in ipairs(keys) do
    local other = at_key(key)
    local kept = promise_at(other)
    if kept and kept.member == member then promise(other, number, member, full.key) end
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
    add_waiter(at, next_waiter(now), member)
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
      local other = at_key(key)
      if other ~= at and other.full == 'wait' then
        local room, wake = room_at(other, now, number)
        if room <= 0 then
          wait_elsewhere(job, invocation, keys, number, at, other, now, wake)
          save_job(job, now)
          return false
        end
      end
    end
    for _, key in ipairs(keys) do
      local other = at_key(key)
      if keys[2] then drop_promise_to(other, member) end
      if other.full == 'wait' then add_place(other, -now, member) end
    end
    local waited = now - math.floor(number / 100)
    if waited >= TOLD_FROM then
      --@include history
      remember(job, 'waited_at_limit', invocation, string.format('%d %s', waited, at.key))
    end
    push_message(job, invocation, number)
    save_job(job, now)
    return true
  end
  save_job(job, now)
  return false
end

-- Lets in as many as there is room for at a key, as at_key has it. An error at one waiter must not undo what the script is about.
local function hand_on(at, now)
  local key, waiters = at.key, k_limit_waiters(at.key)
  for _ = 1, MOST_LET_IN do
    local first = shared('ZRANGE', waiters, 0, 0, 'WITHSCORES')
    at.waits = first[1] ~= nil
    if not at.waits then return end
    local number = tonumber(first[2])
    local room, wake = room_at(at, now, number)
    if room <= 0 then
      if wake then set_timer(wake, LIMITS, 'limit', key) end
      return
    end
    spent = spent + 0.5
    remove_waiter(at, first[1])
    local done, problem = pcall(let_in, first[1], number, at, now)
    if not done then
      add_waiter(at, (now + 60000) * 100, first[1])
      call('HINCRBY', k_damaged(), 'limits ' .. string.sub(first[1], 1, 200) .. ': '
        .. (type(problem) == 'table' and problem.err or tostring(problem)), 1)
    end
  end
  if call('EXISTS', waiters) == 1 then set_timer(now, LIMITS, 'limit', key) end
end

-- Gives on the places of what is not claimed: it had a message, and is parked or gone.
local function leave_limits(job, invocation, now)
  local member, freed = job.id .. '/' .. invocation, {}
  for _, key in ipairs(keys_of(job, invocation) or {}) do
    local at = at_key(key)
    if remove_places(at, member, member .. '/') > 0 then freed[#freed + 1] = at end
  end
  for _, at in ipairs(freed) do hand_on(at, now) end
end
