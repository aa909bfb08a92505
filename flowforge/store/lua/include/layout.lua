-- The version of a job's row: what a release has to know of to go on with the job. Releases that do not know
-- of it leave the job to others.
--@include base

-- 1, 1 more with breakpoints, 2 more with deliveries that are put off, 4 more with what only some jobs have
-- (extras): timeouts, deadlines, times from which it is late, limits of the flow, answers that are expected, what
-- can be undone, a key of which one job runs at a time, a debounce key, a fair key; 8 more with limits of slots and
-- connections, and 16 more from when one of its invocations has waited at one.
local function layout_of(job)
  return 1 + (job.breaks and 1 or 0) + (job.puts_off and 2 or 0) + (job.extras and 4 or 0) + (job.limited and 8 or 0)
    + (job.has_waited and 16 or 0)
end

local function save_layout(job)
  call('HSET', k_job(job.id), 'v', layout_of(job))
end
