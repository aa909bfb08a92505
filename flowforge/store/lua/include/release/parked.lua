-- Pushing what is parked, as far as there is room.
--@include base, members, state, lanes, push, timers, damaged

-- Pushes invocations from one list of parked ones, at most `room`; how many it had, and how many of these
-- were pushed. An entry that names none must not keep those behind it from going on: it is dropped.
local function push_parked(job, list, room)
  local invocations, pushed = call('LPOP', list, room) or {}, 0
  for _, invocation in ipairs(invocations) do
    if is_invocation(invocation) and find_route(job, routine_of(invocation)) then
      push(job, invocation)
      pushed = pushed + 1
    else
      record_damaged('parked', job.id .. '/' .. invocation, 'no invocation')
    end
  end
  spent = spent + #invocations - pushed
  return #invocations, pushed
end

-- Pushes what each lane of a job on several queues has room for, `most` of each.
local function release_lanes(job, most, now)
  local lanes = lanes_of(job)
  for _, lane in ipairs(lanes.all()) do
    local parked, room = lanes.parked_in(lane), math.min(lanes.room(lane), room_of(job), most)
    if parked > 0 and room > 0 then
      local list = lanes.parked_list(lane)
      local taken, pushed = push_parked(job, list, room)
      parked = parked - pushed
      -- What is not there is not parked, and what was no invocation was not counted.
      if taken == 0 or taken > pushed then parked = call('LLEN', list) end
      if taken > pushed and parked > 0 then set_timer(now, job.id, 'more') end
      lanes.set_parked(lane, parked)
    end
  end
end

-- At most `most`.
local function release_parked(job, most, now)
  if job.queues > 1 then return release_lanes(job, most, now) end
  local left = most
  while job.parked > 0 and left > 0 and room_of(job) > 0 do
    local taken, pushed = push_parked(job, k_parked(job.id), math.min(room_of(job), left))
    if taken == pushed then
      job.parked = taken > 0 and job.parked - pushed or 0
      return
    end
    left = left - taken
    job.parked = call('LLEN', k_parked(job.id))
  end
  if job.parked > 0 and room_of(job) > 0 then set_timer(now, job.id, 'more') end
end
