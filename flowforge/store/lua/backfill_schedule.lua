-- Starts jobs for times that have passed, each unless there is one with its key. Unless they may overlap, they
-- wait, and are started one after the other.
-- In:  name, what to do if a job has not ended ('': as the schedule does), by, request, then time, its text and an id each
-- Out: {'ok', started, waiting, known} | {'full', started, waiting, known} (no more can wait) | {'gone'}
--      | {'definition'} (it is not there any more)
--@include base, shared, met, schedules
local name, overlap, by, request, arguments = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV
local before = answered_before(request)
if before then return cjson.decode(before) end
local schedule = load_schedule(name)
if not schedule then return { 'gone' } end
if not about_of(schedule) then return { 'definition' } end
if overlap == '' then overlap = schedule.overlap end
local waiting, now = k_schedule_waiting(name), now_ms()
local started, queued, known, answer = 0, 0, 0, 'ok'
for i = 6, #arguments, 3 do
  local time, key, id = tonumber(arguments[i]), arguments[i + 1], arguments[i + 2]
  if call('EXISTS', k_idempotency(schedule.key .. key)) == 1 or shared('ZSCORE', waiting, 'queue/' .. key)
    or shared('ZSCORE', waiting, 'backfill/' .. key) then
    known = known + 1
  elseif overlap == 'allow' then
    start_scheduled(schedule, time, key, id, 'backfill', now)
    started = started + 1
  elseif shared('ZCARD', waiting) >= MOST_WAITING then
    answer = 'full'
    break
  else
    shared('ZADD', waiting, time, 'backfill/' .. key)
    queued = queued + 1
  end
end
if started + queued > 0 then
  note_schedule(schedule, now, 'backfilled', 'by', by, 'from', arguments[6], 'to',
    arguments[#arguments - 2], 'count', started + queued)
  save_schedule(schedule, started, now)
  if queued > 0 and schedule.state ~= 'paused' then shared('ZADD', k_schedules(), now, name) end
end
local found = { answer, started, queued, known }
if started + queued > 0 then remember_answer(request, cjson.encode(found)) end
return found
