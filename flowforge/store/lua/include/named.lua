-- Which names the totals have rows of their own for: without a bound, names that are made up for each job
-- would fill the server, and whatever reads the totals.
--@include base

-- The name itself, if it has a row; the first that were met have one. Else '', the name of all others, also where
-- the names are damaged: that must not stop what is counted.
local function total_name(kind, name, now)
  local most = { flow = 100, slot = 200, connection = 200 }
  local key = k_named(kind)
  local known = redis.pcall('ZSCORE', key, name)
  if type(known) == 'table' then return '' end
  if known then return name end
  if call('ZCARD', key) >= most[kind] then return '' end
  call('ZADD', key, now, name)
  return name
end
