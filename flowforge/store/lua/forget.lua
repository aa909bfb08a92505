-- Removes reports of workers, each only if it is still the one that the caller has read.
-- In:  worker name, report each
-- Out: how many were removed
--@include base
local arguments = ARGV
local removed = 0
for i = 2, #arguments, 2 do
  local name, report = arguments[i], arguments[i + 1]
  if call('HGET', k_workers(), name) == report then removed = removed + call('HDEL', k_workers(), name) end
end
return removed
