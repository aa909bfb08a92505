-- The row of a job, as the table that transitions work with. store/job_reads/job_fields.py has what its fields mean.
-- What the table has further: id; lanes (lanes_of); missing (top_up); kept_at_limits: at_limits as the row has it;
-- refused: by which limit of its flow (take_job_places); created_at_limits: keys_of; unwritten: there is no row yet.
--@include base, state

-- The latest version of a row (layout.lua). A row of a later one is left as it is: its fields may mean
-- something else.
local LAYOUT = 32

-- Letter in `uses` while the claims of a job have to ask when it may start (job_start).
local STARTS = 's'

-- The fields that transitions need, or nil when there is no such job.
local function load_job(id)
  if jobs[id] then return jobs[id] end
  local f = call('HMGET', k_job(id), 'status', 'def', 'suffix', 'priority', 'queued', 'running',
    'waiting', 'last', 'window', 'keep', 'history_limit', 'output_limit', 'created', 'timers',
    'staged', 'joins', 'parent', 'v', 'queues')
  if not f[1] then return nil end
  local layout = tonumber(f[18] or 1)
  local job = {
    id = id, status = f[1], def = f[2], suffix = f[3], priority = f[4],
    queued = tonumber(f[5] or 0), running = tonumber(f[6] or 0), parked = tonumber(f[7] or 0),
    last = tonumber(f[8]), max_in_flight = tonumber(f[9]), retention = tonumber(f[10]),
    history_limit = f[11], output_limit = tonumber(f[12]), created = f[13],
    timers = tonumber(f[14] or 0), staged = tonumber(f[15] or 0), joins = f[16] == '1',
    parent = f[17] or nil, newer = layout > LAYOUT,
    breaks = layout > 1 and layout % 2 == 0, puts_off = layout > 2 and (layout - 1) % 4 > 1,
    extras = (layout - 1) % 8 > 3, has_waited = layout > 16,
    queues = tonumber(f[19] or 1),
  }
  jobs[id] = job
  -- What few jobs have is read for them alone.
  if job.extras and not job.newer then
    local more = call('HMGET', k_job(id), 'held', 'uses', 'at_limits', 'fair')
    job.held, job.uses, job.at_limits = more[1] == '1', more[2] or nil, tonumber(more[3] or 0)
    job.kept_at_limits = job.at_limits
    job.limited = job.uses and string.find(job.uses, 'l', 1, true)
    job.gated = job.uses and string.find(job.uses, 'j', 1, true)
    if more[4] then job.weight, job.fair = string.match(more[4], '^(%S+) (.*)$') end
  elseif layout > 8 and not job.newer then
    job.uses, job.limited = 'l', true
    job.at_limits = job.has_waited and tonumber(call('HGET', k_job(id), 'at_limits')) or 0
    job.kept_at_limits = job.at_limits
  end
  return job
end

-- Writes the counters back; the caller changed them in the table.
local function save_job(job, now)
  if unsaved then
    unsaved[job] = now
    return
  end
  call('HSET', k_job(job.id), 'status', job.status, 'queued', job.queued, 'running', job.running,
    'waiting', job.parked, 'last', job.last, 'timers', job.timers, 'staged', job.staged,
    'updated', now)
  if job.uses and job.at_limits ~= job.kept_at_limits then
    call('HSET', k_job(job.id), 'at_limits', job.at_limits)
    job.kept_at_limits = job.at_limits
  end
end
