-- The end of a job that has committed more than is kept to undo it.
--@include uncommitted

-- Entries of an undo log. With one more its job fails, and is undone.
local MOST_KEPT = 100000

-- The commit of this invocation counts, and is undone with the rest; what it emits is dropped.
local function fail_beyond_bound(job, invocation, token, now)
  drop_staged(job.id, invocation, token)
  --@include fail_job
  fail_job(job, nil, 'too much to undo', 'unkept ' .. MOST_KEPT, now)
end
