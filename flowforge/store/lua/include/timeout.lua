-- The time that an attempt may take, as the definition has it for its slot.
--@include base

-- The attempt that has just been claimed: until when it may run.
local function begin_timeout(job, invocation, r, s, token, now)
  local ms = call('HGET', k_definition(job.def), 't' .. r .. '.' .. s)
  if ms then
    --@include shared
    shared('ZADD', k_attempt_ends(), now + ms, job.id .. '/' .. invocation .. '/' .. token)
  end
end
