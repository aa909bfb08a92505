-- The end of a job that has not started, or not ended, by its time.
--@include base, history

-- The deadline that a job has missed, or nil: what people read, its code, its name and its milliseconds.
local function missed_deadline(job, now)
  local f = call('HMGET', k_job(job.id), 'start_by', 'finish_by', 'started', 'start_within', 'finish_within')
  if f[1] and not f[3] and tonumber(f[1]) <= now then
    return { 'not started', 'unstarted', 'start_within', f[4] }
  elseif f[2] and tonumber(f[2]) <= now then
    return { 'not finished', 'unfinished', 'finish_within', f[5] }
  end
  return nil
end

local function fail_by_deadline(job, missed, now)
  local words, code, name, ms = unpack(missed)
  remember(job, 'deadline_missed', '', name .. ' ' .. ms)
  local flow = string.match(call('HGET', k_entries(), job.id) or '', '^[^\n]+')
  if flow then
    --@include job_totals
    add_to_total(flow, 'too_late', 1, now)
  end
  --@include fail_job
  fail_job(job, nil, string.format('%s within %.15g s', words, ms / 1000), code .. ' ' .. ms, now)
end
