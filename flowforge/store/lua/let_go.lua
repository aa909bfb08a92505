-- Lets invocations go that have stopped at breakpoints, the one that stopped first first. They do not stop again.
-- In:  id, request, packed details, invocation ('': any), routine ('': any), most,
--      the time in ms up to which they stopped ('': any), from where on, as an earlier answer says ('': the first)
-- Out: {'ok'} | {'more', from where on, how many were let go} (there may be more)
--      | {'none'} (nothing of the kind has stopped) | {'gone'} | {'newer'} (a later release's job)
--      | {the status of a job that is completed or cancelled}
--@include base, stay_with, job_row, push, full, request, history
local id, request, details, one, routine = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local most, until_ms, from = tonumber(ARGV[7]), ARGV[8], ARGV[9]

-- Stopped invocations that one call looks at: more than stop within a millisecond.
local LOOKS = 500

local job = load_job(id)
if not job then return { 'gone' } end
if job.newer then return { 'newer' } end
if is_met(id, request) then return most == 1 and { 'ok' } or { 'more', from, 1 } end
if job.status == 'completed' or job.status == 'cancelled' then return { job.status } end

if until_ms == '' then until_ms = '+inf' end
if from == '' then from = '(0' end
local found, looked = {}, 0
if one ~= '' then
  if tonumber(call('ZSCORE', k_stopped(id), one) or 0) > 0 then found[1] = one end
else
  -- What is passed over may be let go by others meanwhile, so the next call goes on from a time, not from a place.
  local page = call('ZRANGEBYSCORE', k_stopped(id), from, until_ms, 'WITHSCORES', 'LIMIT', 0, LOOKS)
  for i = 1, #page, 2 do
    if #found == most then break end
    looked = looked + 1
    if routine == '' or routine_of(page[i]) == routine then found[#found + 1] = page[i] end
    from = page[i + 1]
  end
  if looked == LOOKS and not found[1] and page[2] == from then from = '(' .. from end
end
-- Before anything is written, since a missing definition is an error.
for _, invocation in ipairs(found) do route(job, routine_of(invocation)) end
if not found[1] then
  if looked == LOOKS then return { 'more', from, 0 } end
  return { 'none' }
end

write_though_full()
meet(id, request)
for _, invocation in ipairs(found) do
  call('ZADD', k_stopped(id), 0, invocation)
  enqueue(job, invocation)
end
call('HINCRBY', k_job(id), 'stopped', -#found)
save_job(job, now_ms())
if details ~= '' then remember(job, 'let_go', most == 1 and found[1] or '', details) end
stay_with(job, k_history(id))
if most > 1 and (looked == LOOKS or #found == most) then return { 'more', from, #found } end
return { 'ok' }
