-- Places are given back with what they are tied to.
--@include base, shared, limits/keys

-- Takes the places of a lease away, for whoever has taken the lease; all of the invocation if it has come to rest:
-- it has ended, or is parked. Returns what hands them on, to be called behind the last change of the job, or nil.
local function give_back_places(job, invocation, token, rests)
  local keys = keys_of(job, invocation)
  if not keys then return nil end
  local member, freed = job.id .. '/' .. invocation .. '/', false
  for i = 1, #keys do
    local at = at_key(keys[i])
    -- A limit that is tied to the attempt now may have been tied to the invocation when the place was taken.
    local removed = shared('ZREM', at.places, member .. token, rests and member or member .. token)
    if at.taken then at.taken = at.taken - removed end
    freed = freed or removed > 0
    keys[i] = removed > 0 and at
  end
  return freed and function()
    for i = 1, #keys do
      local at = keys[i]
      if at then
        if at.waits == nil then at.waits = call('EXISTS', k_limit_waiters(at.key)) == 1 end
        if at.waits then
          --@include limits/hand_on
          hand_on(at, now_ms())
        end
      end
    end
  end
end
