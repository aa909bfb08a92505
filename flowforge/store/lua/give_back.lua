-- A worker that does not know the routine's class returns the invocation for another to take.
-- In:  id, invocation, delay ms, most (0: without limit), packed details, reason,
--      then the sample as count_error takes it
-- Out: 'ok' | 'failed' (given back too often: the job failed) | 'gone' | 'newer' (a later release's job)
--      | 'taken' | 'paused' | 'dropped' (the job has ended)
--@include base, job_row, push, park, timers, history, settle
local id, invocation, delay, most = ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local details, reason, sample = ARGV[6], ARGV[7], { unpack(ARGV, 8) }
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
local to = find_route(job, routine_of(invocation))
local list = to and to.list .. job.suffix
if not to or call('ZREM', k_unclaimed(list), id .. '/' .. invocation) == 0 then return 'taken' end
local now = now_ms()
count_message(job, list, -1, id .. '/' .. invocation)
if job.limited then
  --@include limits/hand_on
  leave_limits(job, invocation, now)
end
if job.status == 'paused' or job.status == 'failed' then
  park(job, invocation)
  save_job(job, now)
  return 'paused'
elseif ENDED[job.status] then
  save_job(job, now)
  return 'dropped'
end
remember(job, 'given_back', invocation, details)
if call('HINCRBY', k_claims(id), 'u' .. invocation, 1) >= most and most > 0 then
  --@include fail_job
  fail_job(job, invocation, reason, details, now, sample)
  return 'failed'
end
set_timer(now + delay, id, 'invocation', invocation)
job.timers = job.timers + 1
settle(job, now)
return 'ok'
