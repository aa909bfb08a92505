-- What the routines keep of attempts.
--@include base

-- Closes one attempt in the counters of routine r. how: the counter to raise; status: how the
-- routine stands now.
local function count_attempt(job, r, how, status, micros, now)
  local key = k_routines(job.id)
  call('HINCRBY', key, r .. '.' .. how, 1)
  if micros > 0 then call('HINCRBY', key, r .. '.micros', micros) end
  call('HSET', key, r .. '.status', status, r .. '.ended', now, r .. '.latest', micros)
end
