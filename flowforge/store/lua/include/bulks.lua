-- Bulk operations: what is kept of them, and for how long.
--@include base

-- Milliseconds for which an operation is kept after its end, and how many are kept.
local BULK_KEPT = 7 * 86400000
local MOST_BULKS = 1000

-- Operations of which a start looks whether they can be forgotten.
local LOOKED_AT = 10

local function end_bulk(id, status, now)
  call('HSET', k_bulk(id), 'status', status, 'ended', now)
  call('PEXPIRE', k_bulk(id), BULK_KEPT)
  call('UNLINK', k_bulk_jobs(id))
  call('ZREM', k_active_bulks(), id)
  -- Those that have ended before are gone by then.
  if call('EXISTS', k_active_bulks()) == 0 then call('PEXPIRE', k_bulks(), BULK_KEPT) end
end

-- Of the oldest: those that have expired, and those that have ended while there are too many.
local function forget_some_bulks()
  local most = call('ZCARD', k_bulks())
  for _, id in ipairs(call('ZRANGE', k_bulks(), 0, LOOKED_AT - 1)) do
    local status = call('HGET', k_bulk(id), 'status')
    if not status or (most >= MOST_BULKS and status ~= 'running') then
      call('UNLINK', k_bulk(id))
      call('ZREM', k_bulks(), id)
      most = most - 1
    end
  end
end
