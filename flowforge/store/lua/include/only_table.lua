-- Jobs that a script makes itself.
--@include state

-- The table of a job: what the script has already, else the one given.
local function only_table(job)
  jobs[job.id] = jobs[job.id] or job
  return jobs[job.id]
end
