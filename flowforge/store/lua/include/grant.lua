-- Giving a queued invocation to a process, for the time of a lease.
--@include base, job_row, push_numbers, push, child_jobs, top_up

-- {'granted', record, claims, lost, definition hash, waited} or why not: gone, taken, paused, dropped, limited, newer.
-- With limits also the ms until the attempt may start, and those that it waited at limits.
-- number, r, s: of the push and of the slot, where they are known.
local function grant(id, invocation, token, lease, now, number, r, s)
  local job = load_job(id)
  if not job then return { 'gone' } end
  if job.newer then return { 'newer' } end
  local member = id .. '/' .. invocation
  if not r then r, s = routine_of(invocation) end
  local to = find_route(job, r, s)
  if not to then
    if not ENDED[job.status] and call('HEXISTS', k_invocations(id), invocation) == 1 then
      --@include fail_job
      fail_undefined(job, invocation, now)
    end
    return { 'dropped' }
  end
  local list = to.list .. job.suffix
  number = number or tonumber(call('ZSCORE', k_unclaimed(list), member) or 0)
  if number >= PAUSED or call('ZREM', k_unclaimed(list), member) == 0 then
    --@include queue_pause
    local why = why_unclaimable(list, member, number)
    -- The same claim again, because its reply was lost, gets the same answer.
    if why and not call('ZSCORE', k_leases(), member .. '/' .. token) then return { why } end
    if why and ENDED[job.status] then return { 'dropped' } end
    if why then
      --@include granted_again
      return granted_again(job, invocation)
    end
  end

  count_message(job, list, -1, member)
  local may, why = may_go_on(job)
  local missed, fail_late
  if may and job.extras then
    --@include missed_deadline
    missed, fail_late = missed_deadline(job, now), fail_by_deadline
  end
  if job.limited and (missed or not may) then
    --@include limits/hand_on
    leave_limits(job, invocation, now)
  end
  if why == 'parked' then
    --@include park
    park(job, invocation)
    save_job(job, now)
    return { job.status == 'failed' and 'dropped' or 'paused' }
  elseif why == 'orphaned' then
    --@include cancel_job
    cancel_orphan(job, now)
    return { 'dropped' }
  elseif not may then
    save_job(job, now)
    return { 'dropped' }
  elseif s == CHILD_SLOT then
    --@include children, settle
    if await_again(job, invocation, now) == 'waits' then
      settle(job, now)
      return { 'paused' }
    end
  end

  if missed then
    --@include park
    park(job, invocation)
    fail_late(job, missed, now)
    return { 'dropped' }
  end

  local rest, at_limits
  if job.limited then
    --@include limits/step
    local takes, about, policy = take_places(job, invocation, token, now, to, r, s)
    if policy == 'replace' then
      --@include limits/replace
      -- Once for each of its limits.
      for _ = 1, MOST_LIMITS do
        if not takes and policy == 'replace' and make_room(about, now) then
          takes, about, policy = take_places(job, invocation, token, now, to, r, s)
        end
      end
    end
    if not takes then
      if policy == 'drop' or policy == 'fail' then
        --@include limits/turn_away
        turn_away(job, invocation, about, policy, now)
      end
      save_job(job, now)
      return { 'limited' }
    end
    rest, at_limits = about, policy
  end

  local claims = call('HINCRBY', k_claims(id), invocation, 1)
  call('ZADD', k_leases(), now + lease, member .. '/' .. token)
  if job.extras then
    --@include timeout
    begin_timeout(job, invocation, r, s, token, now)
  end
  if call('HINCRBY', k_routines(id), r .. '.started', 1) == 1 then
    call('HSET', k_routines(id), r .. '.began', now)
  end
  if job.status == 'pending' then
    --@include status
    set_status(job, 'running')
    call('HSET', k_job(id), 'started', now)
  end
  if job.gated and string.find(job.uses, STARTS, 1, true) then
    --@include limits/job_start
    rest, at_limits = job_start(job, rest, at_limits, now)
  end
  job.running = job.running + 1
  -- Not only commits make room: long handlers must not keep idle workers from what is parked.
  top_up(job, now)
  save_job(job, now)
  -- What is claimed for the first time cannot have lost a worker.
  local lost = claims ~= 1 and tonumber(call('HGET', k_claims(id), 'l' .. invocation) or 0) or 0
  -- Numbers below 1e14 are from before they were times.
  local waited = number >= 1e14 and math.floor(now - number / PER_MS) or 0
  if waited <= LAG then waited = 0 end
  local answer = { 'granted', call('HGET', k_invocations(id), invocation), claims, lost, job.def, waited }
  if rest then answer[7], answer[8] = rest, at_limits end
  return answer
end
