-- The same claim again, because its reply was lost.
--@include base

-- The answer that it got; how long the message lay on its list is not known any more.
local function granted_again(job, invocation)
  local counts = call('HMGET', k_claims(job.id), invocation, 'l' .. invocation)
  local claims, lost = tonumber(counts[1] or 1), tonumber(counts[2] or 0)
  return { 'granted', call('HGET', k_invocations(job.id), invocation), claims, lost, job.def, 0 }
end
