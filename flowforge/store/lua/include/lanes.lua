-- A job on several queues has a lane for each broker list: a list of what is parked and a share of
-- max_in_flight. A queue that is served slowly, or not at all, then does not keep the others from work.
--@include base, stay_with, push

-- The lanes of a job on several queues, each called by its list; '' is that of invocations whose
-- definition is gone. Their functions are made where they are needed: other jobs pay nothing for them.
local function lanes_of(job)
  if job.lanes then return job.lanes end
  local lanes, key, messages, parked = {}, k_lanes(job.id), {}, {}
  job.lanes = lanes
  local f = call('HGETALL', key)
  for i = 1, #f, 2 do
    local counts = string.sub(f[i], 1, 1) == 'q' and messages or parked
    counts[string.sub(f[i], 2)] = tonumber(f[i + 1]) or 0
  end

  local function set(kind, counts, lane, count)
    counts[lane] = count
    -- A row of a later release is left as it is; a job that has ended for good has no lanes any more.
    if job.newer or job.status == 'completed' or job.status == 'cancelled' then return end
    call('HSET', key, kind .. lane, count)
    stay_with(job, key)
  end

  -- to: a route, or nil.
  function lanes.name(to)
    return to and to.list .. job.suffix or ''
  end

  -- Counts messages that came to the list or left it.
  function lanes.count_messages(lane, by)
    set('q', messages, lane, (messages[lane] or 0) + by)
  end

  -- How many invocations are parked in it now; the job's own count of them follows.
  function lanes.set_parked(lane, count)
    job.parked = job.parked + count - (parked[lane] or 0)
    set('w', parked, lane, count)
  end

  function lanes.parked_in(lane)
    return parked[lane] or 0
  end

  function lanes.parked_list(lane)
    return k_parked(job.id .. '/' .. lane)
  end

  -- How many more messages of the job its list takes; the job must have room for them too.
  function lanes.room(lane)
    local share = math.max(1, math.floor(job.max_in_flight / job.queues))
    return math.min(share, math.max(QUEUED_AT_LEAST, 2 * job.running)) - (messages[lane] or 0)
  end

  -- Whether the list takes more, and nothing is parked that would be overtaken. to: as above.
  function lanes.may_push(to)
    local lane = lanes.name(to)
    return lanes.parked_in(lane) == 0 and lanes.room(lane) > 0
  end

  -- Every lane in which something is parked or has been, in an order that is always the same.
  function lanes.all()
    local all = {}
    for lane in pairs(parked) do all[#all + 1] = lane end
    table.sort(all)
    return all
  end

  -- Whether something is parked in every lane.
  function lanes.all_parked()
    local number = 0
    for _, count in pairs(parked) do
      if count > 0 then number = number + 1 end
    end
    return number >= job.queues
  end

  return lanes
end
