-- Forgets a schedule. Its jobs go on.
-- In:  name, ms after which a content that no worker has is gone, request
-- Out: 'ok' | 'gone' | 'declared' (workers have it in code, and would store it again)
--@include base, shared, full, met, expiry
local name, kept, request = ARGV[2], tonumber(ARGV[3]), ARGV[4]
if answered_before(request) then return 'ok' end
local key = k_schedule(name)
local f = call('HMGET', key, 'source', 'mark', 'def', 'retention')
if not f[1] then
  shared('ZREM', k_schedules(), name)
  return 'gone'
end
local now = now_ms()
local seen = tonumber(call('HGET', key, 'seen ' .. (f[2] or ''))) or 0
if f[1] == 'code' and seen + kept > now then return 'declared' end
write_though_full()
if f[3] then leave_definition(f[3], now, tonumber(f[4]) or 0) end
call('UNLINK', key, k_schedule_history(name), k_schedule_jobs(name), k_schedule_waiting(name))
shared('ZREM', k_schedules(), name)
remember_answer(request, 'ok')
return 'ok'
