-- Takes back leases that expired: their process is dead, stuck or cut off. The invocation runs
-- again elsewhere, or is quarantined when it has taken too many workers with it.
-- In:  most deliveries, most
-- Out: {requeued, quarantined, dropped}
--@include base, push, history, finish, lease
local most_deliveries, most = tonumber(ARGV[2]), ARGV[3]
local now = now_ms()
local requeued, quarantined, dropped = 0, 0, 0

local function take_back(job, member)
  local id, tag, token = parts_of(member)
  take_lease(id, tag, token)
  drop_staged(id, tag, token)
  if not job then
    dropped = dropped + 1
    return
  end
  job.running = job.running - 1
  if ENDED[job.status] then
    discard(job, tag, now)
    dropped = dropped + 1
    return
  end
  local lost = call('HINCRBY', k_attempts(id), 'l' .. tag, 1)
  count_attempt(job, tag, 'lost', 'pending', 0, now)
  remember(job, 'lost', tag, '')
  if not find_route(job, routine_of(tag)) then
    fail_undefined(job, tag, now)
  elseif lost >= most_deliveries then
    quarantined = quarantined + 1
    fail_job(job, tag, 'quarantined', 'quarantined ' .. lost .. ' ' .. tag, now)
  else
    requeued = requeued + 1
    enqueue(job, tag)
    settle(job, now)
  end
end

for _, member in ipairs(call('ZRANGEBYSCORE', k_leases(), '-inf', now, 'LIMIT', 0, most)) do
  local job = load_job(parts_of(member))
  if job and job.newer then
    -- For a leader of its own release; put behind the others meanwhile.
    call('ZADD', k_leases(), now + 1000, member)
  else
    take_back(job, member)
  end
end
return { requeued, quarantined, dropped }
