-- Lets an invocation that is on a timer run now, as if the timer were due.
-- In:  id, invocation ('': the one that the job begins with, if the job was put off), packed details, request
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | the status that does not allow it
--      | 'done' (no such invocation, or no more) | 'waits' (for a child job) | 'queued' | 'claimed' | 'parked'
--      | 'expects' (an answer) | 'stopped' (at a breakpoint) | 'none' (the job was not put off, or has started)
--@include base, job_row, timers, full, request, history, mending, due/invocation
local id, invocation, details, request = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if job.status == 'paused' or ENDED[job.status] then return job.status end
if invocation == '' then invocation = first_on_timer(job) end
if not invocation then return 'none' end
if is_expected(job, invocation) then return 'expects' end
local due = is_first(job, invocation) and call('HGET', k_job(id), 'due')
local why = why_not_idle(job, invocation)
if why then return why end
if is_stopped(job, invocation) then return 'stopped' end
if not is_on_timer(job, invocation) then return 'parked' end
write_though_full()
meet(id, request)
remember(job, 'run_now', invocation, details)
clear_timers(id, 'invocation', { invocation })
if due then
  call('HSET', k_job(id), 'due', now_ms())
  if job.extras then
    --@include deadlines
    move_deadlines(job, now_ms() - due)
  end
end
release_invocation(job, invocation, now_ms())
return 'ok'
