-- Creating a job with its first invocation.
-- about: what jobs that are submitted together have in common; parent: 'id/invocation' of the invocation
-- that waits for a child job, or nil; labels, params: as submit.lua has them; pending: where its entry in
-- the indexes of pending jobs and of the flow goes, as score and member, or nil: it is made at once;
-- entries: the same for the hash of entries, as id and entry.
--@include base, job_row, deliver, open_joins
local function create_job(about, id, mode, record, idempotency, labels, params, parent, now, pending, entries)
  local job = only_table({
    id = id, status = 'pending', def = about.def, suffix = about.suffix,
    priority = about.priority, queued = 0, running = 0, parked = 0, last = 0, timers = 0,
    staged = 0, joins = about.joins,
    max_in_flight = tonumber(about.max_in_flight), retention = tonumber(about.retention),
    history_limit = about.history_limit, output_limit = tonumber(about.output_limit),
    created = now, parent = parent, queues = about.queues,
  })
  deliver(job, about.r, about.s, mode, record)
  local kept = params ~= 'none' and params ~= 'large'
  if kept then call('SET', k_entry_params(id), params == 'same' and record or params) end
  -- A counter that is not there is zero.
  call('HSET', k_job(id), 'v', 1, 'flow', about.flow, 'def', about.def, 'suffix', about.suffix,
    'priority', about.priority, 'window', about.max_in_flight, 'keep', about.retention,
    'history_limit', about.history_limit, 'output_limit', about.output_limit, 'created', now,
    'entry', about.entry, 'queues', about.queues, 'status', 'pending', 'queued', job.queued,
    'last', job.last, 'updated', now, 'params', kept and 'kept' or params)
  if job.parked > 0 then call('HSET', k_job(id), 'waiting', job.parked) end
  if about.joins then call('HSET', k_job(id), 'joins', 1) end
  if parent then call('HSET', k_job(id), 'parent', parent) end
  local entry = labels == '' and about.flow or about.flow .. '\n' .. labels
  -- A job that joins may end below.
  if pending and not about.joins then
    pending[#pending + 1] = now
    pending[#pending + 1] = id
    entries[#entries + 1] = id
    entries[#entries + 1] = entry
  else
    call('ZADD', k_status('pending'), now, id)
    call('ZADD', k_flow(about.flow), now, id)
    call('HSET', k_entries(), id, entry)
    call('HINCRBY', k_flow_counts(), 'pending/' .. about.flow, 1)
  end
  for label in string.gmatch(labels, '[^\n]+') do call('ZADD', k_label(label), now, id) end
  if idempotency ~= '' then
    call('HSET', k_job(id), 'idempotency', idempotency)
    call('SET', k_idempotency(idempotency), id)
  end
  -- An entry that is a join has all that it will ever get.
  if about.joins and call('HLEN', k_invocations(id)) == 0 then
    resolve_open(job, now)
    if not ENDED[job.status] then save_job(job, now) end
  end
end

local ABOUT = { 'def', 'flow', 'r', 's', 'priority', 'suffix', 'max_in_flight', 'retention', 'history_limit',
  'output_limit', 'entry' }

-- Reads what jobs have in common from arguments[first] on, a child job's priority and max_in_flight as ''
-- when it is to have those of the job that starts it; returns it and the place behind it.
local function read_about(arguments, first)
  local about = {}
  for i, name in ipairs(ABOUT) do about[name] = arguments[first + i - 1] end
  return about, first + #ABOUT
end

-- What of a stored definition every job of it needs.
local function complete_about(about)
  local f = call('HMGET', k_definition(about.def), 'joins', 'queues')
  about.joins, about.queues = f[1] and true or false, tonumber(f[2] or 1)
end

-- Stores a definition of arguments[first], ..., arguments[last]: field, value, ...
local function store_definition(def, arguments, first, last)
  for i = first, last, 500 do
    call('HSET', k_definition(def), unpack(arguments, i, math.min(i + 499, last)))
  end
end
