-- Does what is due of a schedule: each of its times starts a job, waits for the end of one, or is skipped and
-- counted; and its next time is written. Whoever has read an older version or time of it changes nothing.
-- In:  name, 'version/created' and next time as they were read, its next time now, when that starts ('' both: none is
--      left), packed details of a job that is replaced, how many ids follow, ids for times that have waited;
--      then for each time that has come: time, its text, 'start', id of its job, ms at which that was to start;
--      or the first of several, the last one, 'missed', how many they are, ''
-- Out: {'ok', jobs that were started, times that were skipped, waits} | {'stale'} | {'definition'} (it is gone)
--@include base, shared, job_row, schedules
local name, version, before, following, starts = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local details, spare, arguments = ARGV[7], tonumber(ARGV[8]), ARGV
local schedule = load_schedule(name)
if not schedule or schedule.next ~= before then return { 'stale' } end
if schedule.version .. '/' .. schedule.created ~= version then return { 'stale' } end
if not about_of(schedule) then return { 'definition' } end
local now = now_ms()
local waiting = k_schedule_waiting(name)
local started, skipped = 0, 0
local live, failed = live_jobs(schedule)
if failed and schedule.pause_on_failure == '1' and schedule.state == 'active' then
  pause_schedule(schedule, 'job ' .. failed .. ' failed', '', now)
  note_schedule(schedule, now, 'paused', 'why', 'failed', 'job', failed)
end

local function start(time, key, id, how, starts_at)
  local job, created = start_scheduled(schedule, time, key, id, how, now, starts_at)
  if created then
    live[#live + 1] = job
    started = started + 1
  end
end

local function start_waiting(id)
  local first = shared('ZRANGE', waiting, 0, 0, 'WITHSCORES')
  shared('ZREM', waiting, first[1])
  local how, rest = string.match(first[1], '^(%a+)/(.*)$')
  -- Of one that a person asked for, the id is known.
  local key = how ~= 'trigger' and rest or ''
  start(tonumber(first[2]), key, how == 'trigger' and rest or id, how)
end

local function skip(reason, time, last, count)
  skip_times(schedule, reason, time, last or time, count or 1, now)
  skipped = skipped + (count or 1)
end

local function queue(time, key, most)
  if shared('ZCARD', waiting) >= most then return skip('buffer', time) end
  -- What is skipped later is an entry of its own, as between the two there is a time that is not.
  note_schedule(schedule, now)
  shared('ZADD', waiting, time, 'queue/' .. key)
  schedule.used = schedule.used + 1
end

local function replace()
  --@include control/cancel
  for _, id in ipairs(live) do
    local job = load_job(id)
    if job and not job.newer then
      cancel_by_hand(job, '', 'replaced by the next job of schedule ' .. name, details, false, 'schedule/' .. before,
        now)
    end
  end
  live = {}
end

local function has_come(time, key, id, starts_at)
  local overlap = schedule.overlap
  if overlap == 'replace' and #live > 0 then replace() end
  if overlap == 'allow' or (#live == 0 and shared('ZCARD', waiting) == 0) then
    schedule.used = schedule.used + 1
    return start(time, key, id, 'schedule', starts_at)
  end
  if overlap == 'queue' then return queue(time, key, 1) end
  if overlap == 'queue_all' then return queue(time, key, MOST_WAITING) end
  skip('overlap', time)
end

for i = 9, 8 + spare do
  local free = #live == 0 or schedule.overlap == 'allow'
  if not free or schedule.state == 'paused' or shared('ZCARD', waiting) == 0 then break end
  start_waiting(arguments[i])
end
schedule.next = following
for i = 9 + spare, #arguments, 5 do
  local time, key, what, id, starts_at = tonumber(arguments[i]), unpack(arguments, i + 1, i + 4)
  if schedule.times ~= '' and schedule.used >= tonumber(schedule.times) then break end
  local reason = schedule.state == 'paused' and 'paused' or 'missed'
  if what == 'missed' then
    skip(reason, time, tonumber(key), tonumber(id))
  elseif reason == 'paused' then
    skip(reason, time)
  else
    has_come(time, key, id, tonumber(starts_at))
  end
end
schedule.due = starts
call('HDEL', k_schedule(name), 'error')
save_schedule(schedule, #live, now)
return { 'ok', started, skipped, shared('ZCARD', waiting) }
