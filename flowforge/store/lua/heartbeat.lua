-- Renews the leases of one process. An expired lease that was not reclaimed yet is still its own.
-- The first renewal of a lease keeps when the attempt was claimed, which later expiries do not tell.
-- In:  lease ms, then id/invocation/token each
-- Out: per lease 'ok' | 'lost' (another may run it, or the job is gone) | the status of a job that has ended
--@include base, members, full
local lease, arguments = tonumber(ARGV[2]), ARGV
local expiry = now_ms() + lease
local answers = {}
local statuses = {}

-- Goes by itself some time after the last renewal: nothing that ends an attempt has to remove it.
local function keep_claim_time(member, expiry_before)
  local key, kept = k_claim_time(member), 4 * math.max(lease, 1000)
  if call('PEXPIRE', key, kept) == 0 then
    call('SET', key, string.format('%d', expiry_before - lease), 'PX', kept)
  end
end

write_though_full()
for i = 3, #arguments do
  local id = parts_of(arguments[i])
  if statuses[id] == nil then statuses[id] = call('HGET', k_job(id), 'status') end
  local held = statuses[id] and call('ZSCORE', k_leases(), arguments[i])
  if not held then
    answers[#answers + 1] = 'lost'
  else
    keep_claim_time(arguments[i], tonumber(held))
    call('ZADD', k_leases(), 'XX', expiry, arguments[i])
    answers[#answers + 1] = ENDED[statuses[id]] and statuses[id] or 'ok'
  end
end
return answers
