-- Remembers a member of an index that a worker could make nothing of.
-- In:  index, member, what is wrong with it
-- Out: 1
--@include damaged
local index, member, why = ARGV[2], ARGV[3], ARGV[4]
record_damaged(index, member, why)
return 1
