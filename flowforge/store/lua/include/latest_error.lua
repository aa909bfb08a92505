-- The latest error of a routine.
--@include base

-- Keeps the error of an attempt as the routine's latest: when, and the packed details of the attempt.
local function keep_error(job, invocation, details, now)
  call('HSET', k_routines(job.id), routine_of(invocation) .. '.error', string.format('%d ', now) .. details)
end
