-- Going on after a pause, of the job or of one above it, or after a failure.
--@include base, join, family, finish

-- Joins whose time was over while the job could not go on: their timers are due now. Many come back in
-- pieces, by the upkeep.
local function bring_back_late(job, now)
  local late = call('LPOP', k_late(job.id), 100)
  if not late then return end
  for _, about in ipairs(late) do call('ZADD', k_timers(), now, job.id .. '/join/' .. about) end
  if #late == 100 then call('ZADD', k_timers(), now, job.id .. '/late') end
end

-- Lets go what was late or parked, in the job and in those that it has started.
local function go_on(job, now)
  bring_back_late(job, now)
  fire_complete(job, now)
  look_at_children(job, now)
  settle(job, now)
end
