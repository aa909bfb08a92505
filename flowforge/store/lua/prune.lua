-- Forgets ended jobs whose keys have expired, in the indexes over all jobs.
-- In:  most
-- Out: forgotten
--@include base, state, push_numbers, damaged, deletions, unindex
local most = ARGV[2]
local now = now_ms()

-- What one call takes out of what all jobs share, in messages.
local ENOUGH = 256

local function forget(id)
  call('ZREM', k_expiry(), id)
  -- Of a failed job that was not retried; and the list of a job that a worker of a former release has ended, which
  -- did not let it expire.
  local hashes, list = work_of(id), k_started_jobs(id)
  if call('EXISTS', list, unpack(hashes)) > 0 then
    delete_hashes(hashes, true)
    delete_sorted_set(list)
  end
  delete_indexes(id)
  unindex(id)
end

local gone = 0
for _, id in ipairs(call('ZRANGEBYSCORE', k_expiry(), '-inf', now, 'LIMIT', 0, most)) do
  if spent >= ENOUGH then break end
  -- A row that still lives for a moment can still be retried: the next run finds it.
  if call('EXISTS', k_job(id)) == 0 then
    gone = gone + 1
    handle_member('expiry', k_expiry(), id, now + PUT_OFF, forget)
  end
end
-- With the last job go the push numbers of lists that are empty: what still lies on a list must
-- stay comparable. Those of a paused queue stay too.
for _, status in ipairs(STATUSES) do
  if call('EXISTS', k_status(status)) == 1 then return gone end
end
local numbers = call('HGETALL', k_sequences())
for i = 1, #numbers, 2 do
  local list = numbers[i]
  if call('EXISTS', list) == 0 and (tonumber(numbers[i + 1]) or 0) < PAUSED then
    call('UNLINK', k_unclaimed(list))
    call('HDEL', k_sequences(), list)
  end
end
return gone
