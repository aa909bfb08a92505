-- For scripts that change a job more than once.
--@include state, job_row

-- Between these two a job is written once, however often it changes.
local function batch_saves()
  unsaved = {}
end

local function flush_saves()
  local batch = unsaved
  unsaved = nil
  for job, now in pairs(batch) do save_job(job, now) end
end
