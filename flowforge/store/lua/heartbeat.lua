-- Renews the leases of one process. An expired lease that was not reclaimed yet is still its own.
-- In:  lease ms, then id/invocation/token each
-- Out: per lease 'ok' | 'lost' (another may run it, or the job is gone) | the status of a job that has ended
--@include base, full
local lease, arguments = tonumber(ARGV[2]), ARGV
local expiry = now_ms() + lease
local answers = {}
local statuses = {}
write_though_full()
for i = 3, #arguments do
  local id = parts_of(arguments[i])
  if statuses[id] == nil then statuses[id] = call('HGET', k_job(id), 'status') end
  if not statuses[id] or not call('ZSCORE', k_leases(), arguments[i]) then
    answers[#answers + 1] = 'lost'
  else
    call('ZADD', k_leases(), 'XX', expiry, arguments[i])
    answers[#answers + 1] = ENDED[statuses[id]] and statuses[id] or 'ok'
  end
end
return answers
