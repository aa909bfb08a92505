-- By when a job is to start and to end, and from when it is late. These times run on while it is paused.
--@include base, timers, layout

-- Times of a flow from which its jobs are late, as model/flow.py bounds them.
local MOST_LATE = 8

-- Calls each(index, ms, name) for the times from which jobs of this definition are late.
local function each_late(def, each)
  local index = 0
  for ms, name in string.gmatch(call('HGET', k_definition(def), 'late') or '', '(%d+) ([^\n]+)') do
    index = index + 1
    each(index, tonumber(ms), name)
  end
end

local function finish_by(job, ms, from)
  call('HSET', k_job(job.id), 'finish_within', ms, 'finish_by', from + ms)
  set_timer(from + ms, job.id, 'deadline', 'finished')
end

-- Of a job that goes on, which may have had none.
local function finish_within(job, ms, now)
  finish_by(job, ms, now)
  if job.extras then return end
  job.extras = true
  save_layout(job)
end

-- Of a new job. given: 'start end', milliseconds each or ''; from: when it was submitted, or is to start.
local function begin_deadlines(job, given, from)
  local to_start, to_end = string.match(given, '^(%d*) (%d*)$')
  if to_start and to_start ~= '' then
    call('HSET', k_job(job.id), 'start_within', to_start, 'start_by', from + to_start)
    set_timer(from + to_start, job.id, 'deadline', 'started')
  end
  if to_end and to_end ~= '' then finish_by(job, to_end, from) end
  each_late(job.def, function(index, ms) set_timer(from + ms, job.id, 'deadline', 'late' .. index) end)
end

-- Of a failed job that goes on. within: milliseconds from now in which it is to end, or nil: what has not
-- passed holds on.
local function renew_deadlines(job, within, now)
  local f = call('HMGET', k_job(job.id), 'start_by', 'finish_by', 'started', 'due', 'created')
  local start_at, end_at, from = tonumber(f[1]), tonumber(f[2]), tonumber(f[4] or f[5])
  if start_at and start_at > now and not f[3] then
    set_timer(start_at, job.id, 'deadline', 'started')
  else
    call('HDEL', k_job(job.id), 'start_by', 'start_within')
  end
  if within then
    finish_within(job, within, now)
  elseif end_at and end_at > now then
    set_timer(end_at, job.id, 'deadline', 'finished')
  else
    call('HDEL', k_job(job.id), 'finish_by', 'finish_within')
  end
  each_late(job.def, function(index, ms)
    if from + ms > now then set_timer(from + ms, job.id, 'deadline', 'late' .. index) end
  end)
end

-- Of a job that has not started, and is to start so many milliseconds later (or sooner). One that has failed has
-- no timers: its retry sets them.
local function move_deadlines(job, by)
  local f = call('HMGET', k_job(job.id), 'start_by', 'finish_by', 'due', 'created')
  if f[1] then call('HSET', k_job(job.id), 'start_by', f[1] + by) end
  if f[2] then call('HSET', k_job(job.id), 'finish_by', f[2] + by) end
  if ENDED[job.status] then return end
  if f[1] then set_timer(f[1] + by, job.id, 'deadline', 'started') end
  if f[2] then set_timer(f[2] + by, job.id, 'deadline', 'finished') end
  each_late(job.def, function(index, ms)
    set_timer((f[3] or f[4]) + ms, job.id, 'deadline', 'late' .. index)
  end)
end

-- Of a job that has ended.
local function clear_deadlines(job)
  local abouts = { 'started', 'finished' }
  for index = 1, MOST_LATE do abouts[index + 2] = 'late' .. index end
  clear_timers(job.id, 'deadline', abouts)
end
