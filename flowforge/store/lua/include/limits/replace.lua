-- The newest takes the place of the one that has run for longest.
--@include base, members, shared, job_row, lease, attempt, uncommitted, limits/step, limits/turn_away

-- Limits of one invocation: of its slot and of the connection.
local MOST_LIMITS = 16

-- Ends the oldest attempt at a key without an effect; whether there was one. Its handler hears of it with the next
-- heartbeat, and its commit is refused.
local function make_room(key, now)
  local member = shared('ZRANGEBYSCORE', k_limit_places(key), '(0', '+inf', 'LIMIT', 0, 1)[1]
  if not member then return false end
  local id, invocation, token = parts_of(member)
  local job = load_job(id)
  if not job or job.newer or not take_lease(id, invocation, token) then return false end
  drop_staged(id, invocation, token)
  job.running = job.running - 1
  local hand_places_on = give_back_places(job, invocation, token, true)
  if ENDED[job.status] then
    discard(job, invocation, now)
  else
    count_attempt(job, routine_of(invocation), 'skipped', 'skipped', 0, now)
    drop_invocation(job, invocation, 'replaced_at_limit', key, now)
  end
  hand_places_on()
  return true
end
