-- Changing labels of a job.
--@include base, shared

-- most: labels of a job; changes: name -> value ('': the label goes).
-- 'ok', or 'full': there would be more labels.
local function label_job(job, most, changes)
  local id = job.id
  local entry = call('HGET', k_entries(), id)
  local flow = string.match(entry or call('HGET', k_job(id), 'flow') or '', '^[^\n]*')

  local before, after = {}, {}
  for name, value in string.gmatch(string.sub(entry or '', #flow + 1), '([^\n=]+)=([^\n]*)') do
    before[name], after[name] = value, value
  end
  for name, value in pairs(changes) do after[name] = value ~= '' and value or nil end
  local lines = {}
  for name, value in pairs(after) do lines[#lines + 1] = name .. '=' .. value end
  if #lines > most then return 'full' end

  for name, value in pairs(before) do
    if after[name] ~= value then shared('ZREM', k_label(name .. '=' .. value), id) end
  end
  for _, line in ipairs(lines) do shared('ZADD', k_label(line), job.created, id) end
  -- In one order, so that what is stored depends on the labels alone.
  table.sort(lines)
  call('HSET', k_entries(), id, table.concat({ flow, unpack(lines) }, '\n'))
  if not entry then
    -- It was created before there were entries.
    call('ZADD', k_flow(flow), job.created, id)
    call('HINCRBY', k_flow_counts(), job.status .. '/' .. flow, 1)
  end
  return 'ok'
end
