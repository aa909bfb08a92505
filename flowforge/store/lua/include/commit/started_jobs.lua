-- Section `started_jobs` of the commit: child jobs. How many; then of each what submit takes (from
-- definition hash to schedule), id, mode, record, labels ('=': those of this job), params to keep (as in
-- submit), record of the invocation that waits for it (or '': none does, it is detached), 1 if
-- that goes on after a failure, number of definition fields and values, and these.
--@include base, child_jobs, layout, history, create, job_totals

-- Jobs that the list of a job has of those that it has started.
local MOST_STARTED = 10000

-- Creates the invocation that waits for each. Returns a function that creates the jobs, to be called behind the
-- last change of this one, and the place behind the section.
local function start_jobs(job, invocation, arguments, at, now)
  local started, behind, number = {}, at + 1, tonumber(arguments[at])
  for i = 1, number do
    local about
    about, behind = read_about(arguments, behind)
    local child, mode, record, labels, params, waiter, goes_on, fields = unpack(arguments, behind, behind + 7)
    local first = behind + 8
    behind = first + fields
    store_definition(about.def, arguments, first, behind - 1)
    complete_about(about)
    if about.priority == '' then about.priority, about.suffix = job.priority, job.suffix end
    if about.max_in_flight == '' then about.max_in_flight = job.max_in_flight end
    if about.fair == '' and job.fair then about.fair = job.weight .. ' ' .. job.fair end
    call('HINCRBY', k_definition(about.def), 'active', 1)
    call('PERSIST', k_definition(about.def))
    local parent
    if waiter ~= '' then
      local r = routine_of(invocation)
      job.last = job.last + 1
      local waits = string.format('%d.%s.%s', job.last, r, CHILD_SLOT)
      call('HSET', k_invocations(job.id), waits, waiter)
      call('HSET', k_children(job.id), child, waits)
      if job.joins then call('HINCRBY', k_outstanding(job.id), r, 1) end
      parent = job.id .. '/' .. waits
      if goes_on == '1' and not job.extras then
        job.extras = true
        save_layout(job)
      end
    else
      remember(job, 'started_job', invocation, child)
    end
    if labels == '=' then
      labels = string.match(call('HGET', k_entries(), job.id) or '', '\n(.*)$') or ''
    end
    call('ZADD', k_started_jobs(job.id), now, child)
    started[i] = function()
      create_job(about, child, mode, record, '', labels, params, parent, now)
      if not parent then call('HSET', k_job(child), 'started_by', job.id .. '/' .. invocation) end
      add_to_total(about.flow, 'created', 1, now)
    end
  end
  call('ZREMRANGEBYRANK', k_started_jobs(job.id), 0, -MOST_STARTED - 1)
  -- The end of the job looks here whether there is a list that is to expire.
  call('HSET', k_job(job.id), 'starts', 1)
  return function()
    for _, create in ipairs(started) do create() end
  end, behind
end
