-- Joins whose time was over while the job could not go on: their timers are due now. Many come back in
-- pieces, by the upkeep.
--@include base
local function bring_back_late(job, now)
  local late = call('LPOP', k_late(job.id), 100)
  if not late then return end
  for _, about in ipairs(late) do call('ZADD', k_timers(), now, job.id .. '/join/' .. about) end
  if #late == 100 then call('ZADD', k_timers(), now, job.id .. '/late') end
end
