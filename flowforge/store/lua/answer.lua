-- Delivers an answer from outside to the slot that expects it, once.
-- In:  id, field ('r.s/key'), number of the expectation ('': whichever is open; 0: none is), mode, record (without an
--      emitter), who answers, delivery id or '', request, packed details for the history
-- Out: {'ok', number} (delivered, now or before) | {'kept'} (nothing expects it yet)
--      | {'answered', state} (another was first; what became of the expectation)
--      | {'full'} (the slot has as many early answers as are kept) | {'none'} (no such expectation)
--      | {'gone'} | {'newer'} (a later release's job)
--      | {'undone', state or ''} (what the failed job did is compensated)
--      | {the status of a job that is completed or cancelled, state or ''}
--@include base, stay_with, job_row, push, undo/undone, layout, full, history, expectations, deliver_answer, early_answers, settle
local id, field, number, mode, record = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local by, delivery, request, details = ARGV[7], ARGV[8], ARGV[9], ARGV[10]

local job = load_job(id)
if not job then return { 'gone' } end
if job.newer then return { 'newer' } end
local answers = k_answers(id)
local state = call('HGET', answers, field) or ''
local met = delivery ~= '' and call('HGET', answers, 'd' .. delivery)
if met then return met == '' and { 'kept' } or { 'ok', met } end
-- Of an open one, the number and the request are those of the answer before, if there was one.
local letter, latest, number_before, about = string.match(state, '^(%l) (%d+) ?(%d*) ?(%S*)')
if letter == 'a' and about == request then return { 'ok', latest } end
if letter == 'o' and about == request then return { 'ok', number_before } end
local early = early_of(job, field)
if early and early.request == request then return { 'kept' } end
if job.status == 'completed' or job.status == 'cancelled' then return { job.status, state } end
if is_undone(job) then return { 'undone', state } end
if number == '0' then
  if letter == 'o' then return { 'none' } end
elseif number ~= '' and latest ~= number then
  return { 'none' }
end
if letter and letter ~= 'o' then return { 'answered', state } end
if early then return { 'answered', string.format('e 0 %s %s %s', early.ms, early.request, early.by) } end
local to = route(job, string.match(field, '^(%d+)%.(%d+)/'))

local now = now_ms()
write_though_full()
if not job.extras then
  job.extras = true
  save_layout(job)
end
if not letter then
  if not keep_early(job, field, mode, record, request, by, details, now) then return { 'full' } end
  if delivery ~= '' then call('HSET', answers, 'd' .. delivery, '') end
  stay_with(job, answers)
  remember(job, 'answer_kept', '', details)
  stay_with(job, k_history(id))
  return { 'kept' }
end
local expectation = expectation_of(job, latest)
if delivery ~= '' then call('HSET', answers, 'd' .. delivery, latest) end
remember(job, 'answered', expected_invocation(latest, expectation), details)
local trace = parts_of_expected(job, latest, expectation)
answer_expectation(job, latest, expectation, mode, with_emitter(record, expectation.emitter, trace), 'a', request, by, now)
settle(job, now)
if job.status == 'failed' then
  --@include stay_failed
  stay_failed(job)
end
return { 'ok', latest }
