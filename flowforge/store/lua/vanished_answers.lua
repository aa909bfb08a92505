-- Takes open expectations out of an index whose jobs are gone, or do not have them: deleted by hand, or expired while
-- no upkeep ran.
-- In:  assignee ('': the index of all), cursor (0: the first), about how many are looked at
-- Out: {the next cursor (0: all have been looked at), how many were taken out}
--@include base, shared
local name, cursor, most = ARGV[2], ARGV[3], ARGV[4]
local index = name == '' and k_open_expectations() or k_assigned(name)
local reply = shared('ZSCAN', index, cursor, 'COUNT', most)
local found, gone = reply[2], {}
for i = 1, #found, 2 do
  local id, number = string.match(found[i], '^(.+)/(%d+)$')
  if not id or call('EXISTS', k_job(id)) == 0 or call('HEXISTS', k_expectations(id), number) == 0 then
    gone[#gone + 1] = found[i]
  end
end
if gone[1] then shared('ZREM', index, unpack(gone)) end
if name ~= '' and call('EXISTS', index) == 0 then shared('HDEL', k_assignees(), name) end
return { reply[1], #gone }
