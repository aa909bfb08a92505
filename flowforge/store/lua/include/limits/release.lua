-- Places are given back with what they are tied to.
--@include base, shared, limits/keys, limits/hand_on

-- Takes the places of a lease away, for whoever has taken the lease; all of the invocation if it has come to rest:
-- it has ended, or is parked. Returns what hands them on, to be called behind the last change of the job, or nil.
local function give_back_places(job, invocation, token, rests)
  local keys = keys_of(job, invocation)
  if not keys then return nil end
  local member, freed = job.id .. '/' .. invocation, {}
  local lease = member .. '/' .. token
  for _, key in ipairs(keys) do
    local taken = rests and shared('ZREM', k_limit_places(key), lease, member .. '/')
      or shared('ZREM', k_limit_places(key), lease)
    if taken > 0 then freed[#freed + 1] = key end
  end
  if not freed[1] then return nil end
  return function() hand_on_all(freed, now_ms()) end
end

-- The places of an attempt whose lease goes to another holder.
local function rename_places(job, invocation, token, to)
  local member = job.id .. '/' .. invocation .. '/'
  for _, key in ipairs(keys_of(job, invocation) or {}) do
    local since = shared('ZSCORE', k_limit_places(key), member .. token)
    if since then
      shared('ZREM', k_limit_places(key), member .. token)
      shared('ZADD', k_limit_places(key), since, member .. to)
    end
  end
end
