-- Lets invocations go that have stopped at breakpoints, the one that stopped first first. They do not stop again.
-- In:  id, request, packed details, invocation ('': any), routine ('': any), most,
--      those that stopped before this time in ms ('': up to now), how many of these are to be passed over
-- Out: {'ok'} | {'more', that time, how many are passed over then, how many were let go} (there may be more)
--      | {'none'} (nothing of the kind has stopped) | {'gone'} | {'newer'} (a later release's job)
--      | {the status of a job that is completed or cancelled}
--@include base, job_row, push, full, request, history
local id, request, details, one, routine = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local most, before, first = tonumber(ARGV[7]), ARGV[8], tonumber(ARGV[9])

-- Stopped invocations that one call looks at.
local LOOKS = 500

local job = load_job(id)
if not job then return { 'gone' } end
if job.newer then return { 'newer' } end
if is_met(id, request) then return most == 1 and { 'ok' } or { 'more', before, first, 1 } end
if job.status == 'completed' or job.status == 'cancelled' then return { job.status } end

local now = now_ms()
if before == '' then before = string.format('%d', now) end
local found, looked = {}, 0
if one ~= '' then
  if tonumber(call('ZSCORE', k_stopped(id), one) or 0) > 0 then found[1] = one end
else
  for _, invocation in ipairs(call('ZRANGEBYSCORE', k_stopped(id), '(0', before, 'LIMIT', first, LOOKS)) do
    if #found == most then break end
    looked = looked + 1
    if routine == '' or routine_of(invocation) == routine then found[#found + 1] = invocation end
  end
end
-- Before anything is written, since a missing definition is an error.
for _, invocation in ipairs(found) do route(job, routine_of(invocation)) end
first = first + looked - #found
if not found[1] then
  if looked == LOOKS then return { 'more', before, first, 0 } end
  return { 'none' }
end

write_though_full()
meet(id, request)
for _, invocation in ipairs(found) do
  call('ZADD', k_stopped(id), 0, invocation)
  enqueue(job, invocation)
end
call('HINCRBY', k_job(id), 'stopped', -#found)
save_job(job, now)
if details ~= '' then remember(job, 'let_go', most == 1 and found[1] or '', details) end
stay_with(job, k_history(id))
if most > 1 and (looked == LOOKS or #found == most) then return { 'more', before, first, #found } end
return { 'ok' }
