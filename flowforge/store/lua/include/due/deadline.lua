-- The time has come by which a job was to start or to end, or from which it is late.
--@include base, missed_deadline, history, deadlines

-- It is told, and changes nothing for the job. index: which of the times of its flow.
local function tell_late(job, index, now)
  each_late(job.def, function(at, ms, name)
    if at ~= index then return end
    remember(job, 'late', '', ms .. ' ' .. name)
    call('HSET', k_job(job.id), 'late', name)
    local flow = string.match(call('HGET', k_entries(), job.id) or '', '^[^\n]+')
    if flow then
      --@include job_totals
      add_to_total(flow, 'late', 1, now)
    end
    if call('EXISTS', k_hooks()) == 1 then
      --@include outbox
      local text = string.format('the job had not ended %.15g s after it was to start', ms / 1000)
      tell_hooks('late', job, nil, { '', name, '', text }, now)
    end
  end)
end

-- about: started, finished, or late and which of the times of its flow.
local function look_at_deadline(job, about, now)
  if ENDED[job.status] then return end
  local index = string.match(about, '^late(%d)$')
  if index then return tell_late(job, tonumber(index), now) end
  local missed = missed_deadline(job, now)
  if missed then fail_by_deadline(job, missed, now) end
end
