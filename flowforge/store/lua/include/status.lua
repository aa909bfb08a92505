-- Moving a job between statuses.
--@include base

local function notify(job)
  call('PUBLISH', k_channel(job.id), job.status)
end

-- Returns the job's flow, where its entry tells it.
local function set_status(job, status)
  call('ZREM', k_status(job.status), job.id)
  call('ZADD', k_status(status), job.created, job.id)
  -- A job without an entry was created before there were any, and is not counted.
  local entry, flow = call('HGET', k_entries(), job.id), nil
  if entry then
    flow = string.match(entry, '^[^\n]*')
    local before = job.status .. '/' .. flow
    if call('HINCRBY', k_flow_counts(), before, -1) <= 0 then call('HDEL', k_flow_counts(), before) end
    call('HINCRBY', k_flow_counts(), status .. '/' .. flow, 1)
  end
  job.status = status
  return flow
end
