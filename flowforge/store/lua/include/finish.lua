-- The end of a job.
--@include base, job_row, status, pieces, deletions, children, expiry

-- Ends a job: terminal status, retention on every key, waiters notified. A failed job keeps its work
-- so that it can be retried; of other jobs nothing can run any more, so their work is dropped.
local function finish(job, status, now)
  -- Children are looked at while it is known which they are; those of a failed job wait for its retry,
  -- and are looked at again when it can no longer come.
  if status == 'cancelled' then
    look_at_children(job, now)
  elseif status == 'failed' then
    look_at_children(job, now + job.retention + 1000)
  end
  local flow = set_status(job, status)
  job.ended = now
  call('HSET', k_job(job.id), 'ended', now)
  if job.gated then
    --@include limits/whole_job
    leave_line(job)
  end
  save_job(job, now)
  local rare = call('HMGET', k_job(job.id), 'idempotency', 'logs', 'params', 'inputs', 'stopped', 'due', 'starts')
  if flow then
    --@include job_totals
    local ms = math.max(0, now - (rare[6] or job.created))
    add_to_total(flow, status .. '\n' .. bucket_of(ms), 1, now)
    add_to_total(flow, status .. '\nms', ms, now)
  end
  if job.extras then
    --@include deadlines
    clear_deadlines(job)
  end
  for _, key in ipairs(kept_of(job.id, rare[2], rare[3] == 'kept', rare[4], rare[7], job.extras)) do
    call('PEXPIRE', key, job.retention)
  end
  if status == 'completed' then
    -- Nothing is outstanding: this is all that can be left.
    local all = job.joins or job.queues > 1 or job.breaks
    delete_hashes(all and work_of(job.id, job) or { k_claims(job.id), k_merges(job.id) })
    if job.uses then call('UNLINK', k_limited(job.id)) end
    call('UNLINK', k_segments(job.id), k_output_segments(job.id), k_late(job.id))
    if job.extras then call('UNLINK', k_early_answers(job.id)) end
    -- What was let go before the last breakpoint was cleared.
    if rare[5] then delete_sorted_set(k_stopped(job.id)) end
  elseif status == 'failed' then
    keep_work(job, job.retention)
  else
    local hashes, lists = work_of(job.id, job)
    call('PEXPIRE', k_children(job.id), job.retention + SPARE)
    if job.limited and call('HLEN', k_limited(job.id)) <= FEW then
      -- What handlers that still run give back: of more, the upkeep finds it.
      call('PEXPIRE', k_limited(job.id), job.retention)
      for i, key in ipairs(hashes) do
        if key == k_limited(job.id) then
          table.remove(hashes, i)
          break
        end
      end
    end
    delete_hashes(hashes, true)
    delete_indexes(job.id)
    for _, key in ipairs(lists) do call('UNLINK', key) end
  end
  if rare[1] then call('PEXPIRE', k_idempotency(rare[1]), job.retention) end
  if job.extras then
    --@include keyed
    leave_keys(job)
  end
  call('ZADD', k_expiry(), now + job.retention, job.id)
  leave_definition(job.def, now, job.retention)
  notify(job)
  report_to_parent(job, now)
  if job.extras then
    --@include undo/at_end
    undo_at_end(job, now)
    --@include undo/turn
    leave_turn(job, now)
  end
end
