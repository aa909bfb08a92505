-- Takes back leases that expired: their process is dead, stuck or cut off. The invocation runs
-- again elsewhere, or is quarantined when it has taken too many workers with it.
-- In:  losses until it is quarantined, most, ms of the longest lease (0: any)
-- Out: {requeued, quarantined, dropped, then of each that was requeued or quarantined: id, invocation,
--      definition hash, worker ('': not known), how often it was lost}
--@include base, members, job_row, push, full, history, damaged, fail_job, lease, attempt, settle, uncommitted, job_totals
--@include workers
local max_losses, most, longest = tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local now = now_ms()
local requeued, quarantined, dropped = 0, 0, 0
local lost_parts = {}

local function count_quarantine(job)
  local flow = string.match(call('HGET', k_entries(), job.id) or '', '^[^\n]+')
  if flow then add_to_total(flow, 'quarantined', 1, now) end
end

local function drop(member, why)
  call('ZREM', k_leases(), member)
  if why then record_damaged('leases', member, why) end
  dropped = dropped + 1
end

local function take_back(member)
  local id, invocation, token = parts_of(member)
  if not is_invocation(invocation) then return drop(member, 'no lease') end
  local job = load_job(id)
  if not job then
    drop_staged(id, invocation, token)
    return drop(member)
  elseif job.newer then
    -- For a leader of its own release; put behind the others meanwhile.
    call('ZADD', k_leases(), now + 1000, member)
    return
  elseif job.status ~= 'completed' and job.status ~= 'cancelled'
      and call('HEXISTS', k_invocations(id), invocation) == 0 then
    return drop(member, 'the job has no such invocation')
  end
  take_lease(id, invocation, token)
  drop_staged(id, invocation, token)
  job.running = job.running - 1
  local ended = ENDED[job.status]
  local lost = ended and 0 or call('HINCRBY', k_claims(id), 'l' .. invocation, 1)
  local quarantine = lost >= max_losses
  local hand_places_on
  if job.limited then
    --@include limits/step
    hand_places_on = give_back_places(job, invocation, token, ended or quarantine)
  end
  if ended then
    discard(job, invocation, now)
    dropped = dropped + 1
    if hand_places_on then hand_places_on() end
    return
  end
  count_attempt(job, routine_of(invocation), 'lost', quarantine and 'failed' or 'pending', 0, now)
  local worker = worker_of(token)
  for _, part in ipairs({ id, invocation, job.def, worker, lost }) do lost_parts[#lost_parts + 1] = part end
  remember(job, 'lost', invocation, worker)
  if not find_route(job, routine_of(invocation)) then
    fail_undefined(job, invocation, now)
  elseif quarantine then
    fail_job(job, invocation, 'quarantined', 'quarantined ' .. lost .. ' ' .. invocation, now)
    count_quarantine(job)
    quarantined = quarantined + 1
  else
    enqueue(job, invocation)
    settle(job, now)
    requeued = requeued + 1
  end
  if hand_places_on then hand_places_on() end
end

-- Also when none has expired: a server that refuses renewals must refuse the look at them.
write_though_full()
for _, member in ipairs(call('ZRANGEBYSCORE', k_leases(), '-inf', now, 'LIMIT', 0, most)) do
  handle_member('leases', k_leases(), member, now + PUT_OFF, take_back)
end

-- The clock has been set back since these were given: a dead worker would be waited for as long.
if longest > 0 then
  local beyond = call('ZRANGEBYSCORE', k_leases(), '(' .. now + longest, '+inf', 'LIMIT', 0, most)
  for _, member in ipairs(beyond) do call('ZADD', k_leases(), now + longest, member) end
end
return { requeued, quarantined, dropped, unpack(lost_parts) }
