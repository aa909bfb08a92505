-- The leader cannot do what is due of a schedule: it is tried again later, and its page says why.
-- In:  name, why, ms
-- Out: 1
--@include base, shared, full
local name, why, ms = ARGV[2], ARGV[3], tonumber(ARGV[4])
write_though_full()
if call('EXISTS', k_schedule(name)) == 0 then
  shared('ZREM', k_schedules(), name)
else
  if call('TYPE', k_schedule(name)).ok == 'hash' then call('HSET', k_schedule(name), 'error', why) end
  shared('ZADD', k_schedules(), now_ms() + ms, name)
end
return 1
