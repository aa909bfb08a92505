-- Takes jobs out of the indexes whose rows are gone though nothing has ended them: deleted by hand, or lost
-- with a part of the server's data.
-- In:  cursor of the entries (0: the first), about how many are looked at
-- Out: {the next cursor (0: all have been looked at), how many jobs were taken out}
--@include base, unindex
local cursor, most = ARGV[2], ARGV[3]
local reply = call('HSCAN', k_entries(), cursor, 'COUNT', most)
local found, gone = reply[2], 0
for i = 1, #found, 2 do
  -- What has ended is pruned, with all that it leaves.
  if call('EXISTS', k_job(found[i])) == 0 and not call('ZSCORE', k_expiry(), found[i]) then
    unindex(found[i])
    gone = gone + 1
  end
end
return { reply[1], gone }
