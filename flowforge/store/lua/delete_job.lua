-- Deletes a job that has ended, with all that is kept of it.
-- In:  id
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | 'awaited' (the job that started it has not taken
--      its end yet) | the status that does not allow it
--@include base, job_row, deletions, full, child_jobs, finish, unindex
local id = ARGV[2]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if not ENDED[job.status] then return job.status end
if job.parent then
  local parent, invocation = parts_of(job.parent)
  if call('HEXISTS', k_invocations(parent), invocation) == 1 then return 'awaited' end
end
write_though_full()
-- Those of a failed job are orphans now.
look_at_children(job, now_ms())
local idempotency = call('HGET', k_job(id), 'idempotency')
if idempotency and call('GET', k_idempotency(idempotency)) == id then
  call('UNLINK', k_idempotency(idempotency))
end
local hashes, lists = work_of(id, job)
delete_hashes(hashes, true)
delete_indexes(id)
call('UNLINK', unpack(lists))
call('UNLINK', unpack(kept_of(id, true, true, true)))
call('ZREM', k_expiry(), id)
unindex(id)
return 'ok'
