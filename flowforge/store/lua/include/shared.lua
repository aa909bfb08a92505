-- Commands on keys that many jobs share, and that only some jobs use: keys of limits, of fair order, of one job at a
-- time and the like. Where something else lies in place of one, from another program or written by hand, it is
-- moved aside and told: an error would stop the script between its writes, and the job would never go on.
--@include base

local function shared(command, key, ...)
  local found = redis.pcall(command, key, ...)
  if type(found) ~= 'table' or not found.err then return found end
  if not string.find(tostring(found.err), 'WRONGTYPE', 1, true) then error(found) end
  --@include damaged
  local name = string.sub(key, #P + 1)
  record_damaged('keys', name, 'held something of another type, which is at aside:' .. name)
  call('RENAME', key, k_aside(name))
  call('PEXPIRE', k_aside(name), REMEMBERED)
  return call(command, key, ...)
end
