-- Takes the leases of attempts whose time is over. Each lease goes to the caller, who records what becomes of the
-- attempt as its worker would: by then the worker can no longer commit. An attempt of a job that has ended is dropped.
-- A caller that does not come to it is followed by another after a while.
-- In:  token of the caller, lease ms, most; then the only lease that is meant, id/invocation/token, or nothing
-- Out: {of each attempt: id, invocation, definition hash, record, claims, lost, ms since its claim,
--      worker ('': not known), the lease that was taken}
--@include base, members, shared, job_row, push, full, damaged, fail_job, lease, attempt, uncommitted, job_totals, workers
local token, lease, most, only = ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local now = now_ms()
local taken = {}

-- How the token of a caller begins, and milliseconds until another one comes.
local CALLER, FOLLOWED = 'over.', 3000

-- A lease that was not renewed lately may be that of a worker that is lost, which uses up no attempt: milliseconds
-- for which a renewal says that the worker is there, and until the next look at it.
local FRESH, AGAIN = 2000, 500

-- Milliseconds by which the main process of the worker comes first: where it can end the process of the handler,
-- it alone can tell Celery what became of the task.
local HEAD_START = 500

-- Milliseconds for which the process of a handler may ask what became of its attempt.
local TOLD = 600000

local function is_of_caller(member)
  return string.find(member, '/' .. CALLER, 1, true)
end

-- expiry: of the lease; over: when the time of the attempt was over.
local function is_alive(member, expiry, over)
  return only or is_of_caller(member) or expiry - lease >= math.min(over, now - FRESH)
end

-- One that has got more time ran for longer than from one renewal to the next, the first of which keeps its claim.
local function since_claim(job, member, invocation, over)
  local claimed = call('GET', k_claim_time(member))
  if claimed then return now - claimed end
  local r, s = routine_of(invocation)
  return now - over + tonumber(call('HGET', k_definition(job.def), 't' .. r .. '.' .. s) or 0)
end

-- The places of a lease go to the caller's, or to who waits for them.
local function move_places(job, invocation, held_by, to)
  if to then
    --@include limits/moved
    return rename_places(job, invocation, held_by, to)
  end
  --@include limits/step
  local hand_places_on = give_back_places(job, invocation, held_by, true)
  if hand_places_on then hand_places_on() end
end

local function hand_over(job, member, invocation, over, held_by)
  local id, worker = job.id, worker_of(held_by)
  local other = table.concat({ id, invocation, token }, '/')
  local counts = call('HMGET', k_claims(id), invocation, 'l' .. invocation)
  for _, part in ipairs({ id, invocation, job.def, call('HGET', k_invocations(id), invocation),
    tonumber(counts[1] or 1), tonumber(counts[2] or 0), since_claim(job, member, invocation, over), worker,
    member }) do
    taken[#taken + 1] = part
  end
  call('ZREM', k_leases(), member)
  call('ZADD', k_leases(), now + lease, other)
  if job.limited then move_places(job, invocation, held_by, token) end
  shared('ZADD', k_attempt_ends(), now + FOLLOWED, other)
end

-- Nothing of it counts, as of any attempt of a job that has ended: what waits for its end does not wait for the
-- handler to return.
local function end_of_ended(job, member, invocation, held_by)
  take_lease(job.id, invocation, held_by)
  job.running = job.running - 1
  discard(job, invocation, now)
  if not only then call('SET', k_time_over(member), '', 'PX', TOLD) end
end

local function count_timeout(job)
  local flow = string.match(call('HGET', k_entries(), job.id) or '', '^[^\n]+')
  if flow then add_to_total(flow, 'timed_out', 1, now) end
end

local function take_over(member)
  local id, invocation, held_by = parts_of(member)
  if not is_invocation(invocation) then
    shared('ZREM', k_attempt_ends(), member)
    return record_damaged('attempt_ends', member, 'no lease')
  end
  local job, expiry = load_job(id), tonumber(call('ZSCORE', k_leases(), member))
  local over = tonumber(shared('ZSCORE', k_attempt_ends(), member))
  if job and job.newer then
    -- For a leader of its own release; put behind the others meanwhile.
    shared('ZADD', k_attempt_ends(), now + 1000, member)
    return
  elseif not job or not expiry or not ENDED[job.status] and call('HEXISTS', k_invocations(id), invocation) == 0 then
    shared('ZREM', k_attempt_ends(), member)
    return
  elseif not is_alive(member, expiry, over) then
    shared('ZADD', k_attempt_ends(), now + AGAIN, member)
    return
  end
  shared('ZREM', k_attempt_ends(), member)
  drop_staged(id, invocation, held_by)
  local ended = ENDED[job.status]
  if not ended and not is_of_caller(member) then count_timeout(job) end
  if ended then
    end_of_ended(job, member, invocation, held_by)
    if job.limited then move_places(job, invocation, held_by) end
  elseif find_route(job, routine_of(invocation)) then
    hand_over(job, member, invocation, over, held_by)
  else
    take_lease(id, invocation, held_by)
    job.running = job.running - 1
    count_attempt(job, routine_of(invocation), 'failed', 'failed', 0, now)
    fail_undefined(job, invocation, now)
    if job.limited then move_places(job, invocation, held_by) end
  end
end

-- Also when none is over: see reclaim.
write_though_full()
local found
if not only then
  found = shared('ZRANGEBYSCORE', k_attempt_ends(), '-inf', now - HEAD_START, 'LIMIT', 0, most)
elseif tonumber(shared('ZSCORE', k_attempt_ends(), only) or now + 1) <= now then
  found = { only }
end
for _, member in ipairs(found or {}) do
  handle_member('attempt_ends', k_attempt_ends(), member, now + PUT_OFF, take_over)
end
return taken
