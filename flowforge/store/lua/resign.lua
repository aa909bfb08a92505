-- Gives up the lead of the upkeep, so that another worker can take it at once.
-- In:  candidate
-- Out: 1, or 0 when another leads, or none
--@include base, leader
local candidate = leader_named(ARGV[2])
-- A damaged key is not the candidate's.
if redis.pcall('GET', k_leader()) ~= candidate then return 0 end
return call('DEL', k_leader())
