-- The row of a new job, and its place in the indexes over all jobs.
--@include base, layout

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
  if labels ~= '' then
    --@include shared
    for label in string.gmatch(labels, '[^\n]+') do shared('ZADD', k_label(label), now, id) end
  end
end

-- rows: shape -> id of a job whose row those of the same shape are copies of; nil: no row is like another.
local function write_row(about, job, kept, idempotency, parent, now, rows)
  local shape = rows and job.parked == 0 and (job.at_limits or '') .. kept .. (idempotency == '' and '' or '/') .. (job.due or '')
  local like = shape and rows[shape]
  if not like or call('COPY', k_job(like), k_job(job.id)) == 0 then
    -- A counter that is not there is zero.
    call('HSET', k_job(job.id), 'v', layout_of(job), 'flow', about.flow, 'def', about.def, 'suffix', about.suffix,
      'priority', about.priority, 'window', about.max_in_flight, 'keep', about.retention,
      'history_limit', about.history_limit, 'output_limit', about.output_limit, 'created', now,
      'entry', about.entry, 'queues', about.queues, 'status', 'pending', 'queued', job.queued,
      'last', job.last, 'updated', now, 'params', kept)
    if job.parked > 0 then call('HSET', k_job(job.id), 'waiting', job.parked) end
    if job.uses then call('HSET', k_job(job.id), 'uses', job.uses, 'at_limits', job.at_limits) end
    if job.due then call('HSET', k_job(job.id), 'timers', job.timers, 'due', job.due) end
    if about.joins then call('HSET', k_job(job.id), 'joins', 1) end
    if job.fair then call('HSET', k_job(job.id), 'fair', about.fair) end
    if parent then call('HSET', k_job(job.id), 'parent', parent) end
    if about.single then call('HSET', k_job(job.id), 'single', about.single) end
    if job.held then call('HSET', k_job(job.id), 'held', 1) end
    if shape then rows[shape] = job.id end
  end
  if idempotency ~= '' then call('HSET', k_job(job.id), 'idempotency', idempotency) end
end
