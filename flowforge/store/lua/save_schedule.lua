-- Creates or changes a schedule. What it has done, its pause, and its next time if its times are the same, stay.
-- In:  name, 'code' or 'api', mark of the content, ms after which a content that no worker has is gone, next time,
--      when that starts, who, request, number of fields and values, fields with their values, then the definition as field,
--      value, ... or nothing when the store is believed to have it
-- Out: 'ok' | 'same' (nothing has changed) | 'definition' (send it along) | 'declared' (workers have it in code,
--      so it is not changed otherwise) | 'made' (it was not declared in code, so code does not change it) | 'older'
--      (workers have newer code)
--@include base, shared, create, met, expiry, schedules
local name, source, mark, kept = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
local following, starts, by, request, count, arguments = ARGV[6], ARGV[7], ARGV[8], ARGV[9], tonumber(ARGV[10]), ARGV
if answered_before(request) then return 'ok' end
local key, now = k_schedule(name), now_ms()
local given = {}
for i = 11, 10 + count, 2 do given[arguments[i]] = arguments[i + 1] end

local f = call('HMGET', key, 'source', 'mark', 'timing', 'def', 'retention', 'pause_on_failure')
local before = { source = f[1], mark = f[2], timing = f[3], def = f[4], retention = f[5], pauses = f[6] }
local former = load_schedule(name)
local had_ended = former and is_used_up(former)
local function is_seen(content)
  return content and (tonumber(call('HGET', key, 'seen ' .. content)) or 0) + kept > now
end

if source == 'code' and before.source == 'api' then return 'made' end
if source == 'api' and before.source == 'code' and is_seen(before.mark) then return 'declared' end
if source == before.source and before.mark == mark then
  if source == 'code' then call('HSET', key, 'seen ' .. mark, now) end
  return 'same'
end
if source == 'code' and is_seen(mark) and is_seen(before.mark) then return 'older' end

local def, has = given.def, call('HEXISTS', k_definition(given.def), 'json') == 1
if #arguments > 10 + count then
  store_definition(def, arguments, 11 + count, #arguments)
elseif not has then
  return 'definition'
end
if before.def ~= def then
  call('HINCRBY', k_definition(def), 'active', 1)
  call('PERSIST', k_definition(def))
  if before.def then leave_definition(before.def, now, tonumber(before.retention) or 0) end
end
-- Contents that no worker has any more.
local all = call('HKEYS', key)
for _, field in ipairs(all) do
  local content = string.match(field, '^seen (.*)$')
  if content and not is_seen(content) then call('HDEL', key, field) end
end
call('HSET', key, unpack(arguments, 11, 10 + count))
call('HSET', key, 'source', source, 'mark', mark, 'updated', now)
if source == 'code' then call('HSET', key, 'seen ' .. mark, now) end
if before.pauses ~= given.pause_on_failure then call('HSET', key, 'resumed', now) end
call('HINCRBY', key, 'version', 1)
if not before.source then call('HSET', key, 'created', now, 'state', 'active') end
local schedule = load_schedule(name)
-- One that had ended, also if it was paused then, goes on from now: what has passed since was none of its times.
if before.timing ~= given.timing or schedule.next == '' or had_ended then
  schedule.next, schedule.due = following, starts
end
note_schedule(schedule, now, before.source and 'changed' or 'created', 'by', by)
save_schedule(schedule, shared('ZCARD', k_schedule_jobs(name)), now)
remember_answer(request, 'ok')
return 'ok'
