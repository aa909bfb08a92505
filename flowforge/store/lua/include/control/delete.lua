-- Deleting an ended job, before its retention is over.
--@include base, members, job_row, deletions, full, children, unindex, expiry

-- 'ok', or why not: 'awaited' (the job that started it has not taken its end yet), 'undoing' (what it did
-- is being compensated), the status that does not allow it.
local function delete_job(job, now)
  local id = job.id
  if not ENDED[job.status] then return job.status end
  if job.parent then
    local parent, invocation = parts_of(job.parent)
    if call('HEXISTS', k_invocations(parent), invocation) == 1 then return 'awaited' end
  end
  if job.extras then
    local undo = call('HGET', k_job(id), 'undo')
    local undoing = undo and load_job(undo)
    if undo == 'waits' or undoing and not ENDED[undoing.status] then return 'undoing' end
  end
  write_though_full()
  -- Those of a failed job are orphans now.
  look_at_children(job, now)
  local idempotency = call('HGET', k_job(id), 'idempotency')
  if idempotency and call('GET', k_idempotency(idempotency)) == id then
    call('UNLINK', k_idempotency(idempotency))
  end
  if job.extras then
    --@include further_keys
    delete_further_keys(id)
  end
  local hashes, lists = work_of(id, job)
  delete_hashes(hashes, true)
  delete_indexes(id)
  call('UNLINK', k_undo_log(id), unpack(lists))
  call('UNLINK', unpack(kept_of(id, true, true, true, true, true)))
  call('ZREM', k_expiry(), id)
  unindex(id)
  return 'ok'
end
