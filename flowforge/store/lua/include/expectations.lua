-- Expectations: answers from outside that a job waits for. Each is an invocation from the beginning, in none of
-- the counters of load_job; its record is E, the length of the context of the trace that the answer continues, a
-- space, that context, and the record of what is delivered when its time is over, if there is one. An answer takes
-- the invocation away, and is delivered to its slot under the number of it.
--@include base, stay_with, state, shared, timers

-- Parts of an open expectation, as k_expectations has it: a line with numbers and one for each of the texts.
-- The numbers: since, until, within and remind (ms; 0: none), first and last number of those of which one is answered,
-- number of the invocation that expects it, and 1 if something is delivered when the time of it or of those is over.
-- The texts: field ('r.s/key'), assignees (tabs between them), hash of the form, hash of the link's token, routine id,
-- place for people, and the mode of what is delivered when the time is over.
local EXPECTATION = '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) %d\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$'

local function parse_expectation(text)
  local since, ends, within, remind, first, last, emitter, field, assigned, form, token, routine, place, mode =
    string.match(text, EXPECTATION)
  return {
    since = tonumber(since), ends = tonumber(ends), within = tonumber(within), remind = tonumber(remind),
    first = tonumber(first), last = tonumber(last), emitter = tonumber(emitter), field = field, assigned = assigned, form = form,
    token = token, routine = routine, place = place, mode = mode,
  }
end

-- The open expectation of this number, or nil.
local function expectation_of(job, number)
  local text = call('HGET', k_expectations(job.id), number)
  return text and parse_expectation(text)
end

-- Its time, and that of those that are expected in place of it, is over at another time.
local function set_expectation_end(job, expectation, at)
  for number = expectation.first, expectation.last do
    local text = call('HGET', k_expectations(job.id), number)
    if text then
      local since, rest = string.match(text, '^(%d+) %d+ (.*)$')
      call('HSET', k_expectations(job.id), number, string.format('%s %d ', since, at) .. rest)
      set_timer(at, job.id, 'expect', number)
    end
  end
end

local function expected_invocation(number, expectation)
  return string.format('%d.%s', number, string.match(expectation.field, '^[^/]+'))
end

-- The context of the trace that the answer to one continues, and the record of what is delivered when its time is
-- over; empty where there is none.
local function parts_of_expected(job, number, expectation)
  local kept = call('HGET', k_invocations(job.id), expected_invocation(number, expectation)) or ''
  local length, rest = string.match(kept, '^E(%d+) (.*)$')
  if not length then return '', '' end
  return string.sub(rest, 1, tonumber(length)), string.sub(rest, tonumber(length) + 1)
end

-- Hooks, of which there are some, hear of one that is open. happened: a name that model/hooks/hook_event.py has; place: of
-- the routine's slot.
local function tell_of_expectation(happened, job, invocation, routine, place, now)
  --@include outbox
  tell_hooks(happened, job, invocation, { routine, 'AnswerExpected', '', place }, now)
end

-- What it costs the server to take an expectation out of what all jobs share, in messages.
local UNLISTED = 1

-- Takes expectations of a job out of what all jobs share: its index, those of assignees, the timers.
local function unlist_expectations(id, numbers, texts)
  local members, by_name = {}, {}
  spent = spent + UNLISTED * #numbers
  for i, number in ipairs(numbers) do
    members[i] = id .. '/' .. number
    for name in string.gmatch(parse_expectation(texts[i]).assigned, '[^\t]+') do
      by_name[name] = by_name[name] or {}
      table.insert(by_name[name], members[i])
    end
  end
  for name, own in pairs(by_name) do
    shared('ZREM', k_assigned(name), unpack(own))
    if call('EXISTS', k_assigned(name)) == 0 then shared('HDEL', k_assignees(), name) end
  end
  shared('ZREM', k_open_expectations(), unpack(members))
  clear_timers(id, 'expect', numbers)
  clear_timers(id, 'remind', numbers)
end

-- Closes one. state: what became of it, as k_answers has it: a letter, the number, ms and more.
local function close_expectation(job, number, expectation, state)
  unlist_expectations(job.id, { number }, { call('HGET', k_expectations(job.id), number) })
  call('HDEL', k_expectations(job.id), number)
  call('HINCRBY', k_job(job.id), 'expected', -1)
  call('HSET', k_answers(job.id), expectation.field, state)
  if expectation.token ~= '' then call('HSET', k_answers(job.id), 't' .. expectation.token, state) end
  stay_with(job, k_answers(job.id))
end

-- Closes one, and those that were expected in place of it. how: 'a' answered, 't' the time was over, 's' skipped;
-- request: of the answer, or '-'. The invocation itself stays for what is delivered.
local function settle_expectation(job, number, expectation, how, request, by, now)
  local function state(letter, of, about)
    return string.format('%s %d %d %s %s', letter, of, now, about, by)
  end
  close_expectation(job, number, expectation, state(how, number, request))
  for other = expectation.first, expectation.last do
    local removed = other ~= tonumber(number) and expectation_of(job, other)
    if removed then
      close_expectation(job, other, removed, state('w', other, expectation.field))
      local invocation = expected_invocation(other, removed)
      call('HDEL', k_invocations(job.id), invocation)
      if job.joins then call('HINCRBY', k_outstanding(job.id), routine_of(invocation), -1) end
    end
  end
end
