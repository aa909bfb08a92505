-- Answers that came before their expectation. One is kept for each field 'r.s/key', as 'e' and the field.
--@include base, history, expectations, deliver_answer

-- Early answers that are kept of one slot.
local MOST_EARLY = 100

local function early_of(job, field)
  local kept = call('HGET', k_answers(job.id), 'e' .. field)
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
  local count = 'c' .. string.match(field, '^[^/]+')
  if tonumber(call('HGET', k_answers(job.id), count) or 0) >= MOST_EARLY then return false end
  call('HINCRBY', k_answers(job.id), count, 1)
  call('HSET', k_answers(job.id), 'e' .. field, string.format('%d %s %d %d %d ', now, request, #mode, #by, #details)
    .. mode .. by .. details .. record)
  return true
end

-- Which of these fields, by their places, have been answered early.
local function answered_early(job, fields)
  local names, found = {}, {}
  for i, field in ipairs(fields) do names[i] = 'e' .. field end
  for i, kept in ipairs(call('HMGET', k_answers(job.id), unpack(names))) do
    if kept then found[#found + 1] = i end
  end
  return found
end

-- Answers an expectation that has just been opened and was answered early. If another one was answered in its place
-- meanwhile, the answer goes: it must not be taken for that of the next question.
local function take_early(job, number, field, now)
  local early, slot = early_of(job, field), string.match(field, '^[^/]+')
  call('HDEL', k_answers(job.id), 'e' .. field)
  call('HINCRBY', k_answers(job.id), 'c' .. slot, -1)
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
