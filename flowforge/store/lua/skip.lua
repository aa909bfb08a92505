-- A commit that an operator makes: ends an idle invocation or an answer that is expected, with emissions and
-- outputs of the operator's.
-- In:  id, invocation, request, packed details; then the sections emitted and outputs of a commit
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | the status of a job that is completed or cancelled
--      | 'undone' (what the failed job did is compensated)
--      | 'done' (no such invocation, or no more) | 'waits' (for a child job) | 'queued' | 'claimed'
--@include base, job_row, pieces, undo/undone, full, request, history, limits/mode, complete_joins, settle
--@include merging_log, mending, commit/emitted, commit/outputs
local id, invocation, request, details, arguments = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV

-- Where the first section is.
local emitted = 6

local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if job.status == 'completed' or job.status == 'cancelled' then return job.status end
if is_undone(job) then return 'undone' end
local outputs = check_emitted(job, arguments, emitted)
local expected = is_expected(job, invocation)
local why = not expected and why_not_idle(job, invocation)
if why then return why end

write_though_full()
meet(id, request)
local now, r = now_ms(), routine_of(invocation)
if expected then
  --@include expectations
  local number = string.match(invocation, '^%d+')
  settle_expectation(job, number, expectation_of(job, number), 's', '-', '', now)
else
  take_idle(job, invocation, now)
end
if job.limited then call('HDEL', k_limited(id), invocation, 'n' .. invocation, 'v' .. invocation) end
local items = string.match(call('HGET', k_invocations(id), invocation), '^J(%d+) ')
call('HDEL', k_invocations(id), invocation)
call('HDEL', k_claims(id), invocation, 'l' .. invocation, 'u' .. invocation, 's' .. invocation)
call('HSET', k_routines(id), r .. '.status', 'skipped', r .. '.ended', now)
local kept = job.puts_off and call('HGET', k_put_off(id), invocation)
if kept then
  call('HDEL', k_put_off(id), invocation)
  -- An item of a join is outstanding at its emitter.
  local emitter, mode = string.match(kept, '^(%d*):(.*)$')
  local _, behind = split_limits(mode)
  if string.sub(behind, 1, 1) == 'j' then r = emitter end
end
remember(job, 'skipped_by_hand', invocation, details)
if items then delete_items(k_collected(id), id, string.match(invocation, '^%d+'), 1, tonumber(items)) end

create_emitted(job, arguments, emitted)
commit_outputs(job, arguments, outputs)
local merging, position = string.match(invocation, '^%d+%.(%d+%.%d+)%.(%d+)$')
if merging then log_of(id, merging).release_epoch(position) end
-- What was submitted and put off, as an item of a join, has no emitter: its emissions are looked at all the same.
if job.joins and (r == '' or call('HINCRBY', k_outstanding(id), r, -1) <= 0) then
  fire_complete(job, now, r ~= '' and r or nil)
end
settle(job, now)
if job.held and job.gated then
  -- It begins without what it was put off for.
  if call('HEXISTS', k_job(id), 'due') == 1 then call('HSET', k_job(id), 'due', now) end
  --@include gate
  pass_gate(job, now)
end
if job.status == 'failed' then
  --@include stay_failed
  stay_failed(job)
end
return 'ok'
