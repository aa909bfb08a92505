-- Creating a job with its first invocation.
--@include base, job_row, layout, deliver

-- What the hash of entries has of a job.
local function entry_of(about, labels)
  return labels == '' and about.flow or about.flow .. '\n' .. labels
end

-- Puts a new job into the indexes over all jobs.
local function index_job(about, id, labels, now)
  call('ZADD', k_status('pending'), now, id)
  call('ZADD', k_flow(about.flow), now, id)
  call('HSET', k_entries(), id, entry_of(about, labels))
  call('HINCRBY', k_flow_counts(), 'pending/' .. about.flow, 1)
  for label in string.gmatch(labels, '[^\n]+') do call('ZADD', k_label(label), now, id) end
end

-- rows: shape -> id of a job whose row those of the same shape are copies of; nil: no row is like another.
local function write_row(about, job, kept, idempotency, parent, now, rows)
  local shape = rows and job.parked == 0 and kept .. (idempotency == '' and '' or '/') .. (job.due or '')
  local like = shape and rows[shape]
  if not like or call('COPY', k_job(like), k_job(job.id)) == 0 then
    -- A counter that is not there is zero.
    call('HSET', k_job(job.id), 'v', layout_of(job), 'flow', about.flow, 'def', about.def, 'suffix', about.suffix,
      'priority', about.priority, 'window', about.max_in_flight, 'keep', about.retention,
      'history_limit', about.history_limit, 'output_limit', about.output_limit, 'created', now,
      'entry', about.entry, 'queues', about.queues, 'status', 'pending', 'queued', job.queued,
      'last', job.last, 'updated', now, 'params', kept)
    if job.parked > 0 then call('HSET', k_job(job.id), 'waiting', job.parked) end
    if job.due then call('HSET', k_job(job.id), 'timers', job.timers, 'due', job.due) end
    if about.joins then call('HSET', k_job(job.id), 'joins', 1) end
    if parent then call('HSET', k_job(job.id), 'parent', parent) end
    if shape then rows[shape] = job.id end
  end
  if idempotency ~= '' then call('HSET', k_job(job.id), 'idempotency', idempotency) end
end

-- about: what jobs that are submitted together have in common; parent: 'id/invocation' of the invocation
-- that waits for a child job, or nil; labels, params: as submit.lua has them; batch: as create_batch.lua
-- makes it, or nil.
local function create_job(about, id, mode, record, idempotency, labels, params, parent, now, batch)
  local job = only_table({
    id = id, status = 'pending', def = about.def, suffix = about.suffix,
    priority = about.priority, queued = 0, running = 0, parked = 0, last = 0, timers = 0,
    staged = 0, joins = about.joins,
    max_in_flight = tonumber(about.max_in_flight), retention = tonumber(about.retention),
    history_limit = about.history_limit, output_limit = tonumber(about.output_limit),
    created = now, parent = parent, queues = about.queues, extras = about.extras,
  })
  deliver(job, about.r, about.s, mode, record)
  local kept = params
  if params ~= 'none' and params ~= 'large' then
    call('SET', k_entry_params(id), params == 'same' and record or params)
    kept = 'kept'
  end
  write_row(about, job, kept, idempotency, parent, now, batch and batch.rows)
  if about.extras then
    --@include deadlines
    begin_deadlines(job, about.deadlines, job.due or now)
  end
  local index = batch and batch.index or index_job
  index(about, id, labels, now)
  if idempotency ~= '' then call('SET', k_idempotency(idempotency), id) end
  -- An entry that is a join has all that it will ever get.
  if about.joins and call('HLEN', k_invocations(id)) == 0 then
    --@include open_joins
    resolve_open(job, now)
    if not ENDED[job.status] then save_job(job, now) end
  end
end

local ABOUT = { 'def', 'flow', 'r', 's', 'priority', 'suffix', 'max_in_flight', 'retention', 'history_limit',
  'output_limit', 'entry', 'deadlines' }

-- Reads what jobs have in common from arguments[first] on, a child job's priority and max_in_flight as ''
-- when it is to have those of the job that starts it; returns it and the place behind it.
local function read_about(arguments, first)
  local about = {}
  for i, name in ipairs(ABOUT) do about[name] = arguments[first + i - 1] end
  return about, first + #ABOUT
end

-- What of a stored definition every job of it needs.
local function complete_about(about)
  local f = call('HMGET', k_definition(about.def), 'joins', 'queues', 'extras')
  about.joins, about.queues = f[1] and true or false, tonumber(f[2] or 1)
  about.extras = f[3] or about.deadlines ~= ''
end

-- Stores a definition of arguments[first], ..., arguments[last]: field, value, ...
local function store_definition(def, arguments, first, last)
  for i = first, last, 500 do
    call('HSET', k_definition(def), unpack(arguments, i, math.min(i + 499, last)))
  end
end
