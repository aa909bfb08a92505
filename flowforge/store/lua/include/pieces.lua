-- Removing a row of fields, which may be long.
--@include base, trash

-- Removes the fields name.first to name.last of a hash; many of them in pieces, by the upkeep.
local function remove_items(key, id, name, first, last)
  if last - first >= FEW then
    call('RPUSH', k_deletions(), string.format('%s %s %d %d', id, name, first, last))
    return
  end
  local fields = {}
  for i = first, last do fields[#fields + 1] = name .. '.' .. i end
  if fields[1] then call('HDEL', key, unpack(fields)) end
end
