-- Creating a job with its first invocation.
--@include base, job_row, only_table, deliver, new_row

-- about: what jobs that are submitted together have in common (extras, single: of their rows; held: they
-- wait for their turns; gate_later: the caller does what lets them begin); parent: 'id/invocation' of the
-- invocation that waits for a child job, or nil; labels, params: as submit.lua has them; batch: as
-- create_batch.lua makes it, or nil.
local function create_job(about, id, mode, record, idempotency, labels, params, parent, now, batch)
  local job = only_table({
    id = id, status = 'pending', def = about.def, suffix = about.suffix,
    priority = about.priority, queued = 0, running = 0, parked = 0, last = 0, timers = 0,
    staged = 0, joins = about.joins,
    max_in_flight = tonumber(about.max_in_flight), retention = about.retention,
    history_limit = about.history_limit, output_limit = about.output_limit,
    created = now, parent = parent, queues = about.queues, extras = about.extras, held = about.held,
    uses = about.uses, limited = about.limited, gated = about.gated, at_limits = about.uses and 0,
    unwritten = true,
  })
  if about.fair ~= '' then
    job.weight, job.fair = string.match(about.fair, '^(%S+) (.*)$')
    job.extras = true
  end
  local keys
  if job.gated then
    --@include limits/mode
    keys, mode = split_job_limits(mode)
    local own = keys
    if keys and parent then
      --@include limits/above
      own = keys_of_its_own(keys, parent)
    end
    if own then
      call('HSET', k_limited(id), JOB_LIMITS, own)
      job.held = true
    end
  end
  deliver(job, about.r, about.s, mode, record)
  local kept = params
  if params ~= 'none' and params ~= 'large' then
    call('SET', k_entry_params(id), params == 'same' and record or params)
    kept = 'kept'
  end
  write_row(about, job, kept, idempotency, parent, now, batch and batch.rows)
  job.unwritten = nil
  -- All of them: a fork is below no job whose place it could share.
  if keys then call('HSET', k_job(id), 'limits', keys) end
  if about.scheduled ~= '' then
    local time, schedule = string.match(about.scheduled, '^(%d+) (.*)$')
    call('HSET', k_job(id), 'schedule', schedule, 'scheduled', time)
  end
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
  -- One that is put off has its places when it is due.
  if keys and job.held and not about.gate_later and not job.due then
    --@include gate
    pass_gate(job, now)
  end
end

-- Reads what jobs have in common from arguments[first] on, a child job's priority, max_in_flight and fair key as
-- '' when it is to have those of the job that starts it; returns it and the place behind it.
local function read_about(arguments, first)
  local def, flow, r, s, priority, suffix, max_in_flight, retention, history_limit, output_limit, entry,
    deadlines, fair, scheduled = unpack(arguments, first, first + 13)
  return {
    def = def, flow = flow, r = r, s = s, priority = priority, suffix = suffix, max_in_flight = max_in_flight,
    retention = tonumber(retention), history_limit = history_limit, output_limit = tonumber(output_limit),
    entry = entry, deadlines = deadlines, fair = fair, scheduled = scheduled,
    -- By complete_about.
    joins = false, queues = 1, extras = false, uses = false,
  }, first + 14
end

-- What of a stored definition every job of it needs.
local function complete_about(about)
  local f = call('HMGET', k_definition(about.def), 'joins', 'queues', 'extras', 'uses')
  about.joins, about.queues = f[1] and true or false, tonumber(f[2] or 1)
  about.extras, about.uses = f[3] or about.deadlines ~= '', f[4] or nil
  if f[4] then
    about.limited, about.gated = string.find(f[4], 'l', 1, true), string.find(f[4], 'j', 1, true)
    about.extras = about.extras or about.gated
  end
end

-- Stores a definition of arguments[first], ..., arguments[last]: field, value, ...
local function store_definition(def, arguments, first, last)
  for i = first, last, 500 do
    call('HSET', k_definition(def), unpack(arguments, i, math.min(i + 499, last)))
  end
end
