-- Changes when an invocation that is on a timer is due, or when the time of an answer is over that is expected.
-- In:  id, invocation ('': the one that the job begins with, if the job was put off), '+' and ms from now or
--      '@' and a time, packed details, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | the status of a job that is completed or cancelled
--      | 'undone' (what the failed job did is compensated)
--      | 'done' (no such invocation, or no more) | 'waits' (for a child job) | 'queued' | 'claimed' | 'parked'
--      | 'stopped' (at a breakpoint) | 'none' (the job was not put off, or has started)
--@include base, stay_with, job_row, timers, undo/undone, full, request, history, mending
local id, invocation, sign, ms, details, request = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if job.status == 'completed' or job.status == 'cancelled' then return job.status end
if is_undone(job) then return 'undone' end
if invocation == '' then invocation = first_on_timer(job) end
if not invocation then return 'none' end
local expected = is_expected(job, invocation)
local why = not expected and why_not_idle(job, invocation)
if why then return why end
if is_stopped(job, invocation) then return 'stopped' end
local before = expected and 0 or is_on_timer(job, invocation)
if not before then return 'parked' end
write_though_full()
meet(id, request)
local now = now_ms()
-- A time that has passed is as good as now.
local at = math.max(now, sign == '+' and now + ms or ms)
if expected then
  --@include expectations
  local expectation = expectation_of(job, string.match(invocation, '^%d+'))
  before = expectation.ends > 0 and expectation.ends or at
  set_expectation_end(job, expectation, at)
else
  set_timer(at, id, 'invocation', invocation)
end
if is_first(job, invocation) then
  local due = call('HGET', k_job(id), 'due')
  call('HSET', k_job(id), 'due', at)
  if job.extras then
    --@include deadlines, debounce
    move_deadlines(job, at - due)
    keep_key(job, at, now)
  end
end
remember(job, 'rescheduled', invocation, string.format('%d %d ', before, at) .. details)
stay_with(job, k_history(id))
save_job(job, now)
return 'ok'
