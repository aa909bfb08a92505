-- Answers that came before their expectation: one for each field 'r.s/key', and how many there are by 'r.s'. They go
-- with the end of the job, since they hold all that was sent.
--@include base, stay_with, history, expectations, deliver_answer

-- Early answers that are kept of one slot.
local MOST_EARLY = 100

local function early_of(job, field)
  local kept = call('HGET', k_early_answers(job.id), field)
  if not kept then return nil end
  local ms, request, mode, by, details, rest = string.match(kept, '^(%d+) (%S+) (%d+) (%d+) (%d+) (.*)$')
  mode, by, details = tonumber(mode), tonumber(by), tonumber(details)
  return {
    ms = ms, request = request, mode = string.sub(rest, 1, mode), by = string.sub(rest, mode + 1, mode + by),
    details = string.sub(rest, mode + by + 1, mode + by + details),
    record = string.sub(rest, mode + by + details + 1),
  }
end

-- False when the slot has as many as are kept.
local function keep_early(job, field, mode, record, request, by, details, now)
  local early, count = k_early_answers(job.id), string.match(field, '^[^/]+')
  if tonumber(call('HGET', early, count) or 0) >= MOST_EARLY then return false end
  call('HINCRBY', early, count, 1)
  call('HSET', early, field, string.format('%d %s %d %d %d ', now, request, #mode, #by, #details)
    .. mode .. by .. details .. record)
  stay_with(job, early)
  return true
end

-- Which of these fields, by their places, have been answered early.
local function answered_early(job, fields)
  local found = {}
  for i, kept in ipairs(call('HMGET', k_early_answers(job.id), unpack(fields))) do
    if kept then found[#found + 1] = i end
  end
  return found
end

-- Answers an expectation that has just been opened and was answered early. If another one was answered in its place
-- meanwhile, the answer goes: it must not be taken for that of the next question.
local function take_early(job, number, field, now)
  local early, slot = early_of(job, field), string.match(field, '^[^/]+')
  if not early then return end
  call('HDEL', k_early_answers(job.id), field)
  if call('HINCRBY', k_early_answers(job.id), slot, -1) <= 0 then call('HDEL', k_early_answers(job.id), slot) end
  local expectation = expectation_of(job, number)
  if not expectation then
    remember(job, 'answer_unused', number .. '.' .. slot, early.details)
    return
  end
  remember(job, 'answered', expected_invocation(number, expectation), early.details)
  local trace = parts_of_expected(job, number, expectation)
  answer_expectation(job, number, expectation, early.mode, with_emitter(early.record, expectation.emitter, trace), 'a',
    early.request, early.by, now)
end
