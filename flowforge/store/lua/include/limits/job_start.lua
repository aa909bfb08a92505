-- The first claim of a job that has places of the limits of its flow.
--@include base, limits/step

-- Milliseconds until the attempt may start, and those for which it or its job has waited for places; as of the attempt
-- alone, or nil. A place may have been given a little before the rate allows the start.
local function job_start(job, rest, waited, now)
  local start, own = string.match(call('HGET', k_limited(job.id), 's' .. WHOLE_JOB) or '', '^(%d+) (%d+)$')
  if not start then return rest, waited end
  call('HDEL', k_limited(job.id), 's' .. WHOLE_JOB)
  return math.max(rest or 0, start - now), (waited or 0) + own
end
