-- Taking a job out of the indexes over all jobs, and out of the counters of its flow.
--@include base, shared

local STATUSES = { 'pending', 'running', 'paused', 'completed', 'failed', 'cancelled' }

-- Also a job whose row is gone: its entry says where it is. Returns how many labels it had.
local function unindex(id)
  local entry = call('HGET', k_entries(), id)
  local flow, labels = string.match(entry or '', '^([^\n]*)(.*)$')
  for _, status in ipairs(STATUSES) do
    if call('ZREM', k_status(status), id) == 1 and entry then
      local field = status .. '/' .. flow
      if call('HINCRBY', k_flow_counts(), field, -1) <= 0 then call('HDEL', k_flow_counts(), field) end
    end
  end
  if not entry then return 0 end
  local number = 0
  for label in string.gmatch(labels, '[^\n]+') do
    shared('ZREM', k_label(label), id)
    number = number + 1
  end
  call('ZREM', k_flow(flow), id)
  call('HDEL', k_entries(), id)
  return number
end
