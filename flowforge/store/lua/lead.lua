-- Takes or keeps the lead of the upkeep; also that of a leader which leaves some jobs to later releases.
-- In:  candidate, ms
-- Out: 1 when the candidate leads now, else 0
--@include base, full, leader
local candidate, ms = leader_named(ARGV[2]), tonumber(ARGV[3])
-- A damaged key is not another's lead.
local leader, left = redis.pcall('GET', k_leader()), call('PTTL', k_leader())
-- Nor is one that never ends, or later than any was given: a clock that was set back keeps it.
if type(leader) == 'string' and leader ~= candidate and left >= 0 and left <= ms and not knows_less(leader) then
  return 0
end
write_though_full()
call('SET', k_leader(), candidate, 'PX', ms)
return 1
