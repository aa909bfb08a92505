-- Keeps which jobs a bulk operation is going to be about, before it is started.
-- In:  bulk, how many it has already, then the jobs
-- Out: how many it has now; a part that is sent twice is kept once
--@include base, full
local id, already, arguments = ARGV[2], tonumber(ARGV[3]), ARGV

-- Milliseconds for which they are kept without more of them, or the start.
local UNSTARTED = 600000

local key = k_bulk_jobs(id)
if call('LLEN', key) == already then
  write_though_full()
  for i = 4, #arguments do call('RPUSH', key, arguments[i]) end
  call('PEXPIRE', key, UNSTARTED)
end
return call('LLEN', key)
