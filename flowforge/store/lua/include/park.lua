-- Invocations that wait with their job.
--@include base, stay_with, lanes, push

-- Keeps an invocation with the job until there is room, or a resume or a retry.
local function park(job, invocation)
  local list = k_parked(job.id)
  if job.queues > 1 then
    local lanes = lanes_of(job)
    local lane = lanes.name(find_route(job, routine_of(invocation)))
    list = lanes.parked_list(lane)
    lanes.set_parked(lane, lanes.parked_in(lane) + 1)
  else
    job.parked = job.parked + 1
  end
  call('RPUSH', list, invocation)
  stay_with(job, list)
end
