-- A job that failed is retried because the one that waits for it was.
--@include base, members, job_row, push, retry

-- about: 'id/invocation' of what waits; job: nil when the failed one is gone.
local function retry_with_parent(id, job, about, now)
  local parent_id, invocation = parts_of(about)
  local parent = load_job(parent_id)
  if not parent or parent.newer or parent.status == 'completed' or parent.status == 'cancelled'
      or call('HGET', k_children(parent_id), id) ~= invocation then
    return
  end
  if job and job.status ~= 'failed' then return end
  if job and retry_job(job, '', now) == 'ok' then
    call('HSET', k_job(id), 'retried', 1)
  else
    -- It cannot go on: the invocation finds out why.
    call('HDEL', k_children(parent_id), id)
    enqueue(parent, invocation)
    save_job(parent, now)
  end
end
