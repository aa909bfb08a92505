-- Renews the leases of one process. An expired lease that was not reclaimed yet is still its own.
-- The first renewal of a lease keeps when the attempt was claimed, which later expiries do not tell.
-- In:  lease ms, then id/invocation/token each
-- Out: per lease 'ok' | 'lost' (another may run it, or the job is gone) | the status of a job that has ended
--@include base, full
local lease, arguments = tonumber(ARGV[2]), ARGV
local expiry = now_ms() + lease
local answers = {}
local statuses = {}

local function keep_claim_time(id, invocation, token, first_expiry)
  local key, field = k_claims(id), 's' .. invocation
  local kept = call('HGET', key, field)
  if kept and string.sub(kept, 1, #token + 1) == token .. ' ' then return end
  call('HSET', key, field, string.format('%s %d', token, first_expiry - lease))
end

write_though_full()
for i = 3, #arguments do
  local id, invocation, token = parts_of(arguments[i])
  if statuses[id] == nil then statuses[id] = call('HGET', k_job(id), 'status') end
  local held = statuses[id] and call('ZSCORE', k_leases(), arguments[i])
  if not held then
    answers[#answers + 1] = 'lost'
  else
    if not ENDED[statuses[id]] then keep_claim_time(id, invocation, token, tonumber(held)) end
    call('ZADD', k_leases(), 'XX', expiry, arguments[i])
    answers[#answers + 1] = ENDED[statuses[id]] and statuses[id] or 'ok'
  end
end
return answers
