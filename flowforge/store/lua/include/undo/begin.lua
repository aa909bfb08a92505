-- The beginning of undoing a job: a job of its own compensates what was committed.
--@include base, stay_with, only_table, push, deletions, new_row, children, history, keep_all, undo/entry

-- The flow under which the job that undoes others is listed and counted.
local UNDO_FLOW = ' (undo)'

-- The id of the job that undoes a job: on the same server, each other digit F less its own. As random as that one.
local function undo_id_of(id)
  local server, digits = string.match(id, '^(.-%-?)([^-]*)$')
  return server .. string.gsub(digits, '%x', function(digit) return string.format('%x', 15 - tonumber(digit, 16)) end)
end

-- Creates the job that undoes one, with the first compensation; the others are made one at a time (next.lua).
local function create_undoing(job, id, r, s, record, now)
  local f = call('HMGET', k_job(job.id), 'flow', 'entry')
  local about = {
    def = job.def, flow = f[1] .. UNDO_FLOW, priority = job.priority, suffix = job.suffix,
    max_in_flight = job.max_in_flight, retention = job.retention, history_limit = job.history_limit,
    output_limit = job.output_limit, entry = f[2], queues = job.queues,
  }
  local undoing = only_table({
    id = id, status = 'pending', def = job.def, suffix = job.suffix, priority = job.priority,
    queued = 0, running = 0, parked = 0, last = 0, timers = 0, staged = 0, joins = false,
    max_in_flight = job.max_in_flight, retention = job.retention, history_limit = job.history_limit,
    output_limit = tonumber(job.output_limit), created = now, queues = job.queues, extras = true,
  })
  call('HINCRBY', k_definition(job.def), 'active', 1)
  call('PERSIST', k_definition(job.def))
  create_compensation(undoing, r, s, record)
  write_row(about, undoing, 'none', '', nil, now)
  index_job(about, id, '', now)
  call('HSET', k_job(id), 'undoes', job.id)
end

local function create_from_log(job, now)
  local entry = call('LINDEX', k_undo_log(job.id), 0)
  local r, s, record
  if entry then r, s, record = undo_entry(entry) end
  if not entry or not find_route(job, r, s) then
    call('HSET', k_job(job.id), 'undo', entry and 'undefined' or 'nothing')
    stay_with(job, k_undo_log(job.id))
    return
  end
  local id, count = undo_id_of(job.id), call('LLEN', k_undo_log(job.id))
  call('RENAME', k_undo_log(job.id), k_undoing(id))
  call('PERSIST', k_undoing(id))
  call('LPOP', k_undoing(id))
  create_undoing(job, id, r, s, record, now)
  call('HSET', k_job(job.id), 'undo', id)
  remember(job, 'undo', '', id .. ' ' .. count)
end

-- Begins to undo a job that has ended and of which nothing runs any more.
local function begin_undo(job, now)
  if call('HGET', k_job(job.id), 'undo') == 'waits' then let_expire(job, now) end
  create_from_log(job, now)
end

-- A job has ended and is to be undone: when nothing of it runs any more, since what runs may still commit what
-- is to be undone.
local function open_undo(job, now)
  if job.running == 0 then
    begin_undo(job, now)
  elseif call('HSET', k_job(job.id), 'undo', 'waits') == 1 then
    -- However long handlers run: what they commit has to be there, and what undoes it.
    keep_all(job)
  end
  if job.status == 'failed' then
    -- No retry will deliver an answer.
    call('HDEL', k_job(job.id), 'expected')
    delete_hashes({ k_expectations(job.id) })
  end
  -- They are not waited for any more: they are cancelled, and undone.
  look_at_children(job, now)
end

-- The last handler of an ended job has ended.
local function begin_waiting_undo(job, now)
  if call('HGET', k_job(job.id), 'undo') ~= 'waits' then return end
  begin_undo(job, now)
  --@include undo/turn
  leave_turn(job, now)
end
