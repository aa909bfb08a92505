-- What the routines keep of attempts.
--@include base

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
