-- Gives one queued invocation to one worker process, for the time of a lease.
-- In:  id, invocation, token (the claimer's own, never used twice), lease ms; where it was asked, the
--      condition that the claimer has judged, and 1 if the invocation is to stop there
-- Out: {'granted', record, claims, lost, definition hash, ms from its push to the claim (0: not known)}
--        with limits also: ms until the attempt may start, ms that it waited at limits
--      | {'gone'} | {'newer'} (a later release's job) | {'taken'} | {'paused'} | {'dropped'} (the job has ended)
--      | {'limited'} (a limit is full: it waits there, or has ended)
--      | {'stopped'} (at a breakpoint)
--      | {'asks', record, condition} (of a breakpoint; the claimer is to judge it, and to claim again)
--@include base, job_row, grant
local id, invocation, token, lease, judged, stops = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6], ARGV[7]
local now, job = now_ms(), load_job(id)
if job and job.breaks and not job.newer then
  --@include at_break
  local answer = stop_at_break(job, invocation, judged, stops, now)
  if answer then return answer end
end
return grant(id, invocation, token, lease, now)
