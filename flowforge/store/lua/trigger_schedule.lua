-- Starts a job of a schedule now, also while it is paused. Its times go on as before.
-- In:  name, id, what to do if a job has not ended ('': as the schedule does), by, packed details of a job that is
--      replaced
-- Out: {'ok', id} | {'waits', id} (for the end of a job) | {'runs', job that has not ended} | {'full'} (as many
--      wait as can) | {'gone'} | {'definition'} (it is not there any more)
--@include base, shared, job_row, schedules
local name, id, overlap, by, details = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local schedule = load_schedule(name)
if not schedule then return { 'gone' } end
if call('EXISTS', k_job(id)) == 1 then return { 'ok', id } end
local waiting, now = k_schedule_waiting(name), now_ms()
local time = math.floor(now / 1000)
if shared('ZSCORE', waiting, 'trigger/' .. id) then return { 'waits', id } end
if not about_of(schedule) then return { 'definition' } end
if overlap == '' then overlap = schedule.overlap end
local live = live_jobs(schedule)
if #live > 0 or shared('ZCARD', waiting) > 0 then
  if overlap == 'skip' then return { 'runs', live[1] or '' } end
  if overlap == 'queue' or overlap == 'queue_all' then
    if shared('ZCARD', waiting) >= (overlap == 'queue' and 1 or MOST_WAITING) then return { 'full' } end
    shared('ZADD', waiting, time, 'trigger/' .. id)
    note_schedule(schedule, now, 'asked', 'time', time, 'job', id, 'by', by)
    save_schedule(schedule, #live, now)
    return { 'waits', id }
  end
  if overlap == 'replace' then
    --@include control/cancel
    for _, other in ipairs(live) do
      local job = load_job(other)
      if job and not job.newer then
        cancel_by_hand(job, by, 'replaced by the next job of schedule ' .. name, details, false, id, now)
      end
    end
  end
end
note_schedule(schedule, now, 'asked', 'time', time, 'job', id, 'by', by)
start_scheduled(schedule, time, '', id, 'trigger', now)
save_schedule(schedule, #live + 1, now)
return { 'ok', id }
