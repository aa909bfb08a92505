-- The first claims of a job that has got places of the limits of its flow: also after a retry, which may start several.
--@include base, job_row, limits/step

-- Milliseconds until the attempt may start, and those for which it or its job has waited for places; as of the attempt
-- alone, or nil. A place may have been given a little before the rate allows the start.
local function job_start(job, rest, waited, now)
  local start, own = string.match(call('HGET', k_limited(job.id), 's' .. WHOLE_JOB) or '', '^(%d+) (%d+)$')
  if start and tonumber(start) > now then
    -- The next claim may start no earlier, and its job has waited once.
    call('HSET', k_limited(job.id), 's' .. WHOLE_JOB, start .. ' 0')
  else
    call('HDEL', k_limited(job.id), 's' .. WHOLE_JOB)
    job.uses = string.gsub(job.uses, STARTS, '')
    call('HSET', k_job(job.id), 'uses', job.uses)
  end
  if not start then return rest, waited end
  return math.max(rest or 0, start - now), (waited or 0) + own
end
