-- What an answer does, or the end of the time for one: a delivery to the slot that expects it.
--@include base, deliver, expectations, complete_joins

-- A record from outside names no emitter, its third byte is 0, and carries no trace. It gets the invocation that
-- expects it, and the trace of that: then the record has four parts, and another version.
local function with_emitter(record, number, trace)
  local packed = number < 128 and string.char(number)
    or string.char(0xce, math.floor(number / 16777216) % 256, math.floor(number / 65536) % 256,
      math.floor(number / 256) % 256, number % 256)
  return (trace == '' and string.sub(record, 1, 2) or '\148\2') .. packed .. string.sub(record, 4) .. trace
end

-- how, request, by: as settle_expectation takes them.
local function answer_expectation(job, number, expectation, mode, record, how, request, by, now)
  settle_expectation(job, number, expectation, how, request, by, now)
  local invocation = expected_invocation(number, expectation)
  local r, s = routine_of(invocation)
  call('HDEL', k_invocations(job.id), invocation)
  deliver(job, r, s, mode, record, true, tonumber(number))
  if string.sub(mode, 1, 1) == 'j' then fire_complete(job, now, r) end
end
