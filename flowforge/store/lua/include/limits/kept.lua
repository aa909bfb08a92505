-- What keeps its place of a limit across attempts comes before what waits for room: the order at the limit is that of
-- the first attempts.
--@include base, shared, limits/step
local function keeps_place(job, invocation)
  for _, key in ipairs(keys_of(job, invocation) or {}) do
    if shared('ZSCORE', k_limit_places(key), job.id .. '/' .. invocation .. '/') then return true end
  end
  return false
end
