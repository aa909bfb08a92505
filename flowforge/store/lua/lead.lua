-- Takes or keeps the maintenance lead.
-- In:  candidate, ms
-- Out: 1 when the candidate leads now, else 0
--@include base
local candidate, ms = ARGV[2], ARGV[3]
local leader = call('GET', k_leader())
if leader == candidate then
  call('PEXPIRE', k_leader(), ms)
  return 1
elseif not leader then
  call('SET', k_leader(), candidate, 'PX', ms)
  return 1
end
return 0
