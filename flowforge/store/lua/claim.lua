-- Gives one queued invocation to one worker process, for the time of a lease.
-- In:  id, invocation, token (the claimer's own, never used twice), lease ms
-- Out: {'granted', record, claims, lost, definition hash, ms from its push to the claim (0: not known)}
--      | {'gone'} | {'newer'} (a later release's job) | {'taken'} | {'paused'} | {'dropped'} (the job has ended)
--@include base, grant
local id, invocation, token, lease = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
return grant(id, invocation, token, lease, now_ms())
