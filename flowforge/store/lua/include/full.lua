-- For scripts that free memory or keep what is there: they have to run on a full server as well.
-- It refuses the first write of a script when that could take memory, and no write behind another.
--@include base
local function write_though_full()
  -- Takes no memory and changes nothing: these never have a time to live.
  call('PERSIST', k_leases())
end
