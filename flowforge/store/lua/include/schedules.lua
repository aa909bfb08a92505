-- Schedules: their rows, the jobs that they start, the times that are skipped, and when the leader looks at one.
--@include base, shared, push, create, job_totals

-- Jobs that are looked at whether they have ended, the latest; more have not ended only where they may overlap.
local RUNS = 64

-- Times that wait for the end of a job, and entries of the history that are kept, about.
local MOST_WAITING, ENTRIES = 1000, 500

-- What scripts use of a schedule's row. model/times/schedule.py has what it means; used: times that have got a job.
local SCHEDULE = { 'version', 'created', 'state', 'next', 'due', 'overlap', 'pause_on_failure', 'times', 'used', 'started',
  'resumed', 'mode', 'record', 'labels', 'params', 'key', 'skip_reason', 'skip_from', 'skip_to', 'skip_count',
  'skip_at', 'fired' }

local function load_schedule(name)
  local f = call('HMGET', k_schedule(name), unpack(SCHEDULE))
  if not f[1] then return nil end
  local schedule = { name = name }
  for i, field in ipairs(SCHEDULE) do schedule[field] = f[i] or '' end
  for _, field in ipairs({ 'used', 'started', 'resumed', 'skip_count', 'fired' }) do
    schedule[field] = tonumber(schedule[field]) or 0
  end
  return schedule
end

local CHANGING = { 'state', 'next', 'due', 'used', 'started', 'skip_reason', 'skip_from', 'skip_to', 'skip_count',
  'skip_at', 'fired' }

-- Whether it has no time left that would start a job.
local function is_used_up(schedule)
  return schedule.next == '' or (schedule.times ~= '' and schedule.used >= tonumber(schedule.times))
end

-- Adds to the history of a schedule: kind, then field and value each. Times that were skipped one after the other
-- are one entry, which is in the row until something else happens.
local function note_schedule(schedule, now, kind, ...)
  local key = k_schedule_history(schedule.name)
  if schedule.skip_reason ~= '' then
    shared('XADD', key, 'MAXLEN', '~', ENTRIES, '*', 'k', 'skipped', 'at', schedule.skip_at, 'why',
      schedule.skip_reason, 'from', schedule.skip_from, 'to', schedule.skip_to, 'count', schedule.skip_count)
    schedule.skip_reason = ''
  end
  if kind then shared('XADD', key, 'MAXLEN', '~', ENTRIES, '*', 'k', kind, 'at', now, ...) end
end

-- Skips so many times from the first to the last. reason: 'overlap', 'missed', 'buffer' or 'paused'.
local function skip_times(schedule, reason, first, last, count, now)
  if schedule.skip_reason ~= reason then
    note_schedule(schedule, now)
    schedule.skip_reason, schedule.skip_from, schedule.skip_count = reason, first, 0
  end
  schedule.skip_to, schedule.skip_count, schedule.skip_at = last, schedule.skip_count + count, now
  call('HINCRBY', k_schedule(schedule.name), 'skipped ' .. reason, count)
  if reason == 'missed' then call('HSET', k_schedule(schedule.name), 'missed_at', now) end
  add_to_total(schedule.about.flow, 'skipped/' .. reason, count, now)
end

-- What a schedule keeps of the arguments that read_about reads, in their order.
local ABOUT = { 'def', 'flow', 'r', 's', 'priority', 'suffix', 'max_in_flight', 'retention', 'history_limit',
  'output_limit', 'entry', 'deadlines', 'fair', 'scheduled' }

-- What the jobs of a schedule have in common; nil when its definition is not there any more.
local function about_of(schedule)
  if not schedule.about then
    local f = call('HMGET', k_schedule(schedule.name), unpack(ABOUT))
    for i = 1, #ABOUT do f[i] = f[i] or '' end
    local about = read_about(f, 1)
    if not find_route(about, about.r, about.s) then return nil end
    complete_about(about)
    schedule.about = about
  end
  return schedule.about
end

-- Starts the job of a time, unless there is one with its key. key: '' where a person asked for a job. how:
-- 'schedule', 'queue', 'trigger' or 'backfill'. starts_at: ms at which it was to start, or nil: no one can say.
-- Returns the job, and whether it was created.
local function start_scheduled(schedule, time, key, id, how, now, starts_at)
  local about = about_of(schedule)
  local idempotency = key == '' and '' or schedule.key .. key
  local known = key ~= '' and call('GET', k_idempotency(idempotency))
    or (call('EXISTS', k_job(id)) == 1 and id)
  if not known then
    call('HINCRBY', k_definition(about.def), 'active', 1)
    call('PERSIST', k_definition(about.def))
    about.scheduled = string.format('%d %s', time, schedule.name)
    create_job(about, id, schedule.mode, schedule.record, idempotency, schedule.labels, schedule.params, nil, now)
    add_to_total(about.flow, 'created', 1, now)
    add_to_total(about.flow, 'scheduled', 1, now)
    if starts_at then
      local late = math.max(0, now - starts_at)
      add_to_total(about.flow, 'behind/' .. bucket_of(late), 1, now)
      add_to_total(about.flow, 'behind/ms', late, now)
    end
    shared('ZADD', k_schedule_jobs(schedule.name), time, id)
    call('HSET', k_schedule(schedule.name), 'last_job', id, 'last_time', time)
    schedule.started, schedule.fired = schedule.started + 1, now
  end
  note_schedule(schedule, now, known and 'known' or 'started', 'time', time, 'job', known or id, 'how', how)
  return known or id, not known
end

local function pause_schedule(schedule, reason, by, now)
  schedule.state = 'paused'
  call('HSET', k_schedule(schedule.name), 'reason', reason, 'by', by, 'paused', now)
end

-- The jobs that it has started and that have not ended, and one that has failed since it was resumed, or nil. A failed
-- job stays in the index, since it can be retried.
local function live_jobs(schedule)
  local key, live, failed = k_schedule_jobs(schedule.name), {}, nil
  for _, id in ipairs(shared('ZRANGE', key, 0, RUNS - 1, 'REV')) do
    local f = call('HMGET', k_job(id), 'status', 'ended')
    if not f[1] or f[1] == 'completed' or f[1] == 'cancelled' then
      shared('ZREM', key, id)
    elseif f[1] ~= 'failed' then
      live[#live + 1] = id
    elseif (tonumber(f[2]) or 0) > schedule.resumed then
      failed = failed or id
    end
  end
  if shared('ZCARD', key) > RUNS then
    for _, id in ipairs(shared('ZRANGE', key, 0, 15)) do
      local status = call('HGET', k_job(id), 'status')
      if not status or ENDED[status] then shared('ZREM', key, id) end
    end
  end
  return live, failed
end

-- Writes what has changed, and when the leader is to look at it. A time that waits for a job is looked at again
-- the later, the longer the job has been running; so is a job whose failure is to pause the schedule.
local function save_schedule(schedule, live, now)
  if schedule.state ~= 'paused' then schedule.state = is_used_up(schedule) and 'ended' or 'active' end
  local pairs_of = {}
  for _, field in ipairs(CHANGING) do
    pairs_of[#pairs_of + 1], pairs_of[#pairs_of + 2] = field, schedule[field]
  end
  call('HSET', k_schedule(schedule.name), unpack(pairs_of))
  local at = not is_used_up(schedule) and tonumber(schedule.due) or math.huge
  if schedule.state ~= 'paused' then
    local running = now - schedule.fired
    if shared('ZCARD', k_schedule_waiting(schedule.name)) > 0 then
      at = math.min(at, now + math.min(10000, math.max(500, running / 60)))
    elseif live > 0 and schedule.pause_on_failure == '1' then
      at = math.min(at, now + math.min(60000, math.max(1000, running / 4)))
    end
  end
  shared('ZADD', k_schedules(), at == math.huge and '+inf' or string.format('%d', at), schedule.name)
end
