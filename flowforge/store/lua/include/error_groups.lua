-- Failures by their cause: which errors there were lately, how often, and in which jobs.
--@include base, shared

-- Groups that are kept, those whose latest error is the newest; milliseconds from its latest error for which a
-- group is kept; jobs that are kept of a group, the latest.
local MOST_GROUPS = 1000
local GROUP_KEPT = 7 * 86400000
local GROUP_JOBS = 10

-- Bytes of a definition up to which it is searched for the id of a routine.
local SEARCHED = 131072

-- What the codes say that a script leaves as the error of a job: type and message.
local CODES = {
  quarantined = { 'Quarantined', 'too many workers were lost while they ran an invocation' },
  undefined = { 'CorruptRecordError', 'the definition of the job is gone from the server' },
  full = { 'Limited', 'a limit was full' },
  missing = { 'CorruptRecordError', 'emissions of committed handlers are gone from the server' },
  unfilled = { 'JoinNotFilled', 'a join lacked items, and nothing was left that could deliver more' },
  unanswered = { 'AnswerMissing', 'no answer had come when the time for it was over' },
  unstarted = { 'NotStartedInTime', 'the job had not started by its time' },
  unfinished = { 'NotFinishedInTime', 'the job had not finished by its time' },
  unkept = { 'UndoLogFull', 'the job had committed more than is kept to undo it' },
  late = { 'JoinNotFilled', 'a join lacked items when its timeout had passed' },
}

-- The id of a routine, or its index where the definition does not tell.
local function id_of_routine(job, r)
  local json = call('HGET', k_definition(job.def), 'json')
  local found, id = pcall(function()
    return #json <= SEARCHED and cjson.decode(json).routines[r + 1].id
  end)
  return found and type(id) == 'string' and id or '#' .. r
end

-- A list of jobs, 'id time' each, with this one as the first.
local function with_job(jobs_before, id, now)
  local found = { id .. ' ' .. now }
  for other, at in string.gmatch(jobs_before, '(%S+) (%d+)') do
    if other ~= id and #found < GROUP_JOBS then found[#found + 1] = other .. ' ' .. at end
  end
  return table.concat(found, ' ')
end

-- Counts a failure. sample: group, routine id, type, place in the user's code and message, as a worker gives
-- them; the group is '' where the worker does not know the routine.
-- r: the index of the routine, or nil. Returns the key of the group.
local function count_error(job, r, sample, now)
  local group, routine, kind, place, message = unpack(sample)
  if group == '' then group = table.concat({ job.def, r or '', kind }, '/') end
  local key, index = k_error_group(group), k_error_groups()
  local before = shared('HMGET', key, 'count', 'jobs')
  if not before[1] then
    if routine == '' and r then routine = id_of_routine(job, r) end
    shared('HSET', key, 'flow', call('HGET', k_job(job.id), 'flow') or '', 'routine', routine, 'type', kind,
      'place', place, 'first', now)
  end
  shared('HSET', key, 'count', (before[1] or 0) + 1, 'message', message,
    'jobs', with_job(before[2] or '', job.id, now))
  call('PEXPIRE', key, GROUP_KEPT)
  shared('ZADD', index, now, group)
  call('PEXPIRE', index, GROUP_KEPT)
  shared('ZREMRANGEBYSCORE', index, '-inf', now - GROUP_KEPT)
  if shared('ZCARD', index) > MOST_GROUPS then
    local oldest = shared('ZRANGE', index, 0, 0)[1]
    shared('ZREM', index, oldest)
    call('UNLINK', k_error_group(oldest))
  end
  return key
end

-- A job has failed by what a script has found: problem is the code that it keeps as its error. Returns the key of
-- the group, and the sample.
local function count_code(job, invocation, problem, now)
  local code, place = string.match(problem, '^(%l+) %d+ ?(.*)$')
  local r = invocation and routine_of(invocation) or string.match(place, '^%d+')
  if code == 'undefined' then r = routine_of(place) end
  local kind, message = unpack(CODES[code])
  local sample = { '', '', kind, '', message }
  return count_error(job, r, sample, now), sample
end
