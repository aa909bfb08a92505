-- A place that is free goes to who has waited longest for it.
--@include base, state, job_row, push, timers, limits/keys, endings

-- Waiters that one call looks at for a key: more are let in by a timer that is due at once.
local MOST_LET_IN = 32

-- Whether a waiter has got the place. What is not to run is let go or parked, and what needs a place elsewhere
-- waits there.
local function let_in(member, number, at, now)
  local id, invocation = parts_of(member)
  local job = load_job(id)
  if not job or job.status == 'completed' or job.status == 'cancelled' then return false end
  if job.newer then
    -- For a leader of its own release; put behind the others meanwhile.
    call('ZADD', k_limit_waiters(at), next_waiter(now), member)
    return false
  end
  if call('HEXISTS', k_invocations(id), invocation) == 0 then return false end
  job.at_limits = math.max(0, (job.at_limits or 0) - 1)
  if not find_route(job, routine_of(invocation)) then
    if not ENDED[job.status] then
      endings().fail_undefined(job, invocation, now)
      return false
    end
    park(job, invocation)
  elseif job.status == 'paused' or job.status == 'failed' then
    park(job, invocation)
  else
    local keys = keys_of(job, invocation) or {}
    for _, key in ipairs(keys) do
      if key ~= at and settings_of(key).full == 'wait' then
        local room, wake = room_at(key, now)
        if room <= 0 then
          wait_at(job, invocation, key, number, now, wake)
          save_job(job, now)
          return false
        end
      end
    end
    for _, key in ipairs(keys) do
      if settings_of(key).full == 'wait' then reserve(key, member, now) end
    end
    push_message(job, invocation, 'ahead')
    save_job(job, now)
    return true
  end
  save_job(job, now)
  return false
end

-- Lets in as many as there is room for at a key. An error at one waiter must not undo what the script is about.
local function hand_on(key, now)
  local waiters, tries = k_limit_waiters(key), MOST_LET_IN
  if call('EXISTS', waiters) == 0 then return end
  local room, wake = room_at(key, now)
  while room > 0 and tries > 0 do
    local first = call('ZPOPMIN', waiters)
    if not first[1] then return end
    tries = tries - 1
    spent = spent + 0.5
    local done, let = pcall(let_in, first[1], tonumber(first[2]), key, now)
    if not done then
      call('ZADD', waiters, (now + 60000) * 100, first[1])
      call('HINCRBY', k_damaged(), 'limits ' .. string.sub(first[1], 1, 200) .. ': '
        .. (type(let) == 'table' and let.err or tostring(let)), 1)
    elseif let then
      room = room - 1
    end
  end
  if room <= 0 and not wake then room, wake = room_at(key, now) end
  if (wake or room > 0) and call('EXISTS', waiters) == 1 then
    set_timer(room > 0 and now or wake, LIMITS, 'limit', key)
  end
end

local function hand_on_all(keys, now)
  for _, key in ipairs(keys) do hand_on(key, now) end
end

-- Gives on the places of what is not claimed: it had a message, and is parked or gone.
local function leave_limits(job, invocation, now)
  local keys, member, freed = keys_of(job, invocation), job.id .. '/' .. invocation, {}
  for _, key in ipairs(keys or {}) do
    if call('ZREM', k_limit_places(key), member, member .. '/') > 0 then freed[#freed + 1] = key end
  end
  hand_on_all(freed, now)
end
