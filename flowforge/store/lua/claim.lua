-- Gives one queued invocation to one worker process, for the time of a lease.
-- In:  id, invocation, token (the claimer's own, never used twice), lease ms
-- Out: {'granted', record, claims, lost, definition hash} | {reason}: gone, taken, paused, dropped,
--      newer (a later release's job)
--@include base, grant
local id, invocation, token, lease = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
return grant(id, invocation, token, lease, now_ms())
