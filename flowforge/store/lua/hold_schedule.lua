-- Pauses or resumes a schedule. Times that come while it is paused are skipped and counted.
-- In:  name, 'pause' or 'resume', by, reason, request
-- Out: 'ok' | 'same' (it is so already) | 'gone'
--@include base, shared, full, met, schedules
local name, action, by, reason, request = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
if answered_before(request) then return 'ok' end
local schedule = load_schedule(name)
if not schedule then return 'gone' end
if (schedule.state == 'paused') == (action == 'pause') then return 'same' end
write_though_full()
local now = now_ms()
if action == 'pause' then
  pause_schedule(schedule, reason, by, now)
  note_schedule(schedule, now, 'paused', 'by', by, 'why', reason)
else
  schedule.state = 'active'
  call('HSET', k_schedule(name), 'resumed', now)
  call('HDEL', k_schedule(name), 'reason', 'by', 'paused')
  note_schedule(schedule, now, 'resumed', 'by', by, 'why', reason)
end
save_schedule(schedule, shared('ZCARD', k_schedule_jobs(name)), now)
remember_answer(request, 'ok')
return 'ok'
