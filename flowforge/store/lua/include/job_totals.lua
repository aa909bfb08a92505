-- Totals of a flow's jobs since there are any: how many were created and retried, how many ended in which
-- status and after how long.
--@include base

-- How many bits a time has in milliseconds, as TOTAL_BUCKETS of store/fleet_reads/totals.py bounds them.
local LAST_BUCKET = 25

local function bucket_of(ms)
  local _, bits = math.frexp(math.max(0, math.floor(ms)))
  return math.min(bits, LAST_BUCKET)
end

-- what: lines behind the flow in the field. A total that is refused must not stop what it is about.
local function add_to_total(flow, what, by, now)
  local field = flow .. '\n' .. what
  local total = redis.pcall('HINCRBY', k_job_totals(), field, by)
  if total ~= by or flow == '' then return end
  --@include named
  if total_name('flow', flow, now) == flow then return end
  call('HDEL', k_job_totals(), field)
  add_to_total('', what, by, now)
end
