-- Replaces the params of idle invocations: of all that are given, or of none.
-- In:  id, request, then of each: invocation, the record that is replaced, record, packed details
-- Out: {answer, and the invocation that it is about where it is about one}: 'ok' | 'gone'
--      | 'newer' (a later release's job) | the status of a job that is completed or cancelled
--      | 'undone' (what the failed job did is compensated)
--      | 'done' (no such invocation, or no more) | 'waits' (for a child job) | 'queued' | 'claimed'
--      | 'expects' (an answer) | 'join' (it has items in place of params) | 'changed' (its record is another)
--@include base, stay_with, job_row, undo/undone, full, request, history, mending
local id, request, arguments = ARGV[2], ARGV[3], ARGV
local job = load_job(id)
if not job then return { 'gone' } end
if job.newer then return { 'newer' } end
if is_met(id, request) then return { 'ok' } end
if job.status == 'completed' or job.status == 'cancelled' then return { job.status } end
if is_undone(job) then return { 'undone' } end

for i = 4, #arguments, 4 do
  local invocation = arguments[i]
  if is_expected(job, invocation) then return { 'expects', invocation } end
  local why = why_not_idle(job, invocation)
  if why then return { why, invocation } end
  local record = call('HGET', k_invocations(id), invocation)
  if string.sub(record, 1, 1) == 'J' then return { 'join', invocation } end
  if record ~= arguments[i + 1] then return { 'changed', invocation } end
end

-- The slot's own copy of a delivery: in the log of one that merges, or as its latest.
local function replace_in_slot(invocation, before, record)
  local slot, position = string.match(invocation, '^%d+%.(%d+%.%d+)%.?(%d*)$')
  local field = position ~= '' and slot .. '.' .. position or slot .. '.last'
  if call('HGET', k_merges(id), field) == before then call('HSET', k_merges(id), field, record) end
end

write_though_full()
meet(id, request)
for i = 4, #arguments, 4 do
  local invocation, before, record, details = unpack(arguments, i, i + 3)
  replace_in_slot(invocation, before, record)
  call('HSET', k_invocations(id), invocation, record)
  remember(job, 'edited', invocation, details)
end
stay_with(job, k_history(id))
save_job(job, now_ms())
return { 'ok' }
