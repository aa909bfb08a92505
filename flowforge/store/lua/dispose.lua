-- Takes a piece of what is in the trash away.
-- In:  most, the number of fields
-- Out: 1, or 0 when the trash is empty
--@include base
local most = tonumber(ARGV[2])
local entry = call('LINDEX', k_trash(), 0)
if not entry then return 0 end
-- Items of a collection, or else a key.
local id, number, first, last = string.match(entry, '^(%S+) (%d+) (%d+) (%d+)$')
local key, fields, more = k_thrown_away(entry), {}, true
if id then
  key, first, last = k_collected(id), tonumber(first), tonumber(last)
  for i = first, math.min(last, first + most - 1) do fields[#fields + 1] = number .. '.' .. i end
  more = last >= first + most
else
  fields = call('HRANDFIELD', key, most) or {}
end
if fields[1] then call('HDEL', key, unpack(fields)) end
if not more or call('EXISTS', key) == 0 then
  call('LPOP', k_trash())
elseif id then
  call('LSET', k_trash(), 0, string.format('%s %s %d %d', id, number, first + most, last))
end
return 1
