-- Places of a key that are taken away.
--@include shared, limits/step

-- How many of these had a place.
local function remove_places(at, ...)
  local removed = shared('ZREM', at.places, ...)
  if at.taken then at.taken = at.taken - removed end
  return removed
end

-- The place of one goes to another, with its time.
local function rename_place(at, member, since, to)
  remove_places(at, member)
  add_place(at, since, to)
end

-- The places of an attempt whose lease goes to another holder.
local function rename_places(job, invocation, token, to)
  local member = job.id .. '/' .. invocation .. '/'
  for _, key in ipairs(keys_of(job, invocation) or {}) do
    local at = at_key(key)
    local since = shared('ZSCORE', at.places, member .. token)
    if since then rename_place(at, member .. token, since, member .. to) end
  end
end
