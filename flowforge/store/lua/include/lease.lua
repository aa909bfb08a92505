-- The fence: a lease is a member id/invocation/token of one sorted set, scored with its expiry.
-- Removing it is the right to decide what became of the invocation; only one caller gets it.
--@include base, state
local function take_lease(id, invocation, token)
  local member = id .. '/' .. invocation .. '/' .. token
  if jobs[id].extras then
    --@include shared
    shared('ZREM', k_attempt_ends(), member)
  end
  return call('ZREM', k_leases(), member) == 1
end
