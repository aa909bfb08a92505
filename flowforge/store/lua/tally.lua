-- Adds what a process has counted and measured of attempts to the totals.
-- In:  the writer, the number of this batch of its, worker ('': its own totals are not kept), then of each
--      slot and connection: 'slot' or 'connection', its name (flow, routine and slot, or flow and connection,
--      a line each), how many counters, and these with what is added
-- Out: 1, or 0 for a batch that was added before
--@include base, named
local writer, batch, worker, arguments = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV

-- Milliseconds in which a batch may be sent again because its reply was lost.
local SENT_AGAIN = 600000

-- Milliseconds for which the totals of a worker that runs nothing are kept.
local WORKER_KEPT = 86400000

-- Counters that each worker has too: the outcomes and the time in handlers.
local OF_WORKERS = 9

if tonumber(call('GET', k_tally_writer(writer)) or 0) >= batch then return 0 end
call('SET', k_tally_writer(writer), batch, 'PX', SENT_AGAIN)

local now, at = now_ms(), 5
while at < #arguments do
  local kind, behind = arguments[at], at + 3 + 2 * arguments[at + 2]
  local name, changes = total_name(kind, arguments[at + 1], now), {}
  for i = at + 3, behind - 1, 2 do
    local counter, by = arguments[i], arguments[i + 1]
    for _, part in ipairs({ 'INCRBY', 'i64', '#' .. counter, by }) do changes[#changes + 1] = part end
    if worker ~= '' and kind == 'slot' and tonumber(counter) < OF_WORKERS then
      redis.pcall('HINCRBY', k_worker_totals(worker), name .. '\n' .. counter, by)
    end
  end
  -- One that is damaged is left as it is, and the others are counted.
  local key = kind == 'slot' and k_attempt_totals(name) or k_connection_totals(name)
  redis.pcall('BITFIELD', key, unpack(changes))
  at = behind
end
if worker ~= '' then call('PEXPIRE', k_worker_totals(worker), WORKER_KEPT) end
return 1
