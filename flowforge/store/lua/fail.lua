-- Records an attempt that is not committed: a retry later, a return to other workers without
-- counting the attempt, or the end of the job.
-- In:  id, invocation, token, action (retry, release, stop, rest: its limits rest for the delay), delay ms,
--      micros, packed details, ms that its message lay on its list,
--      reason (rest: the limit, '': all of its), packed error, releases that fail the job (0: none does), then the sample as count_error
--      takes it
-- Out: 'ok' | 'done' (was committed before) | 'stale' (another claim is valid) | 'gone'
--      | 'newer' (a later release's job) | 'dropped' (the job has ended)
--@include base, job_row, timers, history, lease, attempt, settle, uncommitted
local id, invocation, token, action = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local delay, micros, details = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local waited, reason, problem, most = ARGV[9], ARGV[10], ARGV[11], tonumber(ARGV[12])
local sample = { unpack(ARGV, 13) }

local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
local now = now_ms()
if not take_lease(id, invocation, token) then
  --@include no_lease
  return why_no_lease(id, invocation)
end

drop_staged(id, invocation, token)
job.running = job.running - 1
local hand_places_on
if job.limited then
  --@include limits/step
  hand_places_on = give_back_places(job, invocation, token,
    action == 'stop' or action == 'rest' or ENDED[job.status])
end

local function record_end()
  if ENDED[job.status] then
    discard(job, invocation, now)
    return 'dropped'
  end
  if withdraw(job, invocation, micros, details, now) then return 'ok' end
  if action == 'rest' then
    --@include limits/rest
    if let_rest(job, invocation, reason, now + delay, micros, details, waited, now) then return 'ok' end
    action = 'release'
  end
  if action == 'release' and most > 0 and call('HINCRBY', k_claims(id), 'u' .. invocation, 1) >= most then
    action = 'stop'
  end
  if action ~= 'release' then
    --@include latest_error
    keep_error(job, invocation, details, now)
  end
  if action == 'retry' or action == 'release' then
    local how = action == 'retry' and 'retried' or 'released'
    if action == 'release' then call('HINCRBY', k_claims(id), invocation, -1) end
    count_attempt(job, routine_of(invocation), how, 'pending', micros, now)
    remember(job, how, invocation, details, nil, waited)
    set_timer(now + delay, id, 'invocation', invocation)
    job.timers = job.timers + 1
    if action == 'retry' then
      --@include error_groups
      count_error(job, routine_of(invocation), sample, now)
    end
    settle(job, now)
  else
    count_attempt(job, routine_of(invocation), 'failed', 'failed', micros, now)
    remember(job, 'failed', invocation, details, nil, waited)
    --@include fail_job
    fail_job(job, invocation, reason, problem, now, sample)
  end
  return 'ok'
end

local answer = record_end()
if hand_places_on then hand_places_on() end
return answer
