-- Changes labels of a job.
-- In:  id, most labels, then name, value ('': the label goes) each
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | 'full' (there would be more labels)
--@include base, job_row
local id, most, arguments = ARGV[2], tonumber(ARGV[3]), ARGV
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
local entry = call('HGET', k_entries(), id)
local flow = string.match(entry or call('HGET', k_job(id), 'flow') or '', '^[^\n]*')

local before, after = {}, {}
for name, value in string.gmatch(string.sub(entry or '', #flow + 1), '([^\n=]+)=([^\n]*)') do
  before[name], after[name] = value, value
end
for i = 4, #arguments, 2 do
  after[arguments[i]] = arguments[i + 1] ~= '' and arguments[i + 1] or nil
end
local lines = {}
for name, value in pairs(after) do lines[#lines + 1] = name .. '=' .. value end
if #lines > most then return 'full' end

for name, value in pairs(before) do
  if after[name] ~= value then call('ZREM', k_label(name .. '=' .. value), id) end
end
for _, line in ipairs(lines) do call('ZADD', k_label(line), job.created, id) end
-- In one order, so that what is stored depends on the labels alone.
table.sort(lines)
call('HSET', k_entries(), id, table.concat({ flow, unpack(lines) }, '\n'))
if not entry then
  -- It was created before there were entries.
  call('ZADD', k_flow(flow), job.created, id)
  call('HINCRBY', k_flow_counts(), job.status .. '/' .. flow, 1)
end
return 'ok'
