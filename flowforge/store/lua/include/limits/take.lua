-- In a claim: a place of each limit, until the lease ends.
--@include base, shared, limits/keys

-- Limits of one invocation: of its slot and of the connection.
local MOST_LIMITS = 16

-- true, ms until the attempt may start, and ms that it has waited for a place; or false, the key that is full and
-- what the limit says of that: with 'wait' it waits there now.
local function take_places(job, invocation, token, now)
  local keys, number = keys_of(job, invocation)
  if not keys then return true, 0, 0 end
  local member, start, full, wake, pushed = job.id .. '/' .. invocation, now, nil, nil, nil
  -- kept: it has its place already; owned: its message had one.
  local kept, owned = { false }, { false }
  for i = 1, #keys do
    local at = at_key(keys[i])
    keys[i] = at
    kept[i] = at.tied and shared('ZSCORE', at.places, member .. '/')
    local since = number and shared('ZSCORE', at.places, member)
    if since then pushed = -since end
    owned[i] = shared('ZREM', at.places, member) == 1
    if owned[i] and at.taken then at.taken = at.taken - 1 end
    if not kept[i] and not full then
      local room, again, first = room_at(at, now, number, owned[i])
      if room <= 0 then full, wake = at, again elseif first > start then start = first end
    end
  end
  if full then
    local policy = full.full
    -- With 'replace' a place is made, but none that the rate does not allow: it waits for that.
    if policy == 'wait' or policy == 'replace' and wake then
      --@include limits/wait
      policy = 'wait'
      wait_at(job, invocation, full, number, now, wake)
    end
    for i = 1, #keys do
      if owned[i] then
        --@include limits/hand_on
        hand_on(keys[i], now)
      end
    end
    return false, full.key, policy
  end
  for i = 1, #keys do
    local at = keys[i]
    if not kept[i] then
      add_place(at, now, member .. '/' .. (at.tied and '' or token), owned[i])
      if at.interval then
        --@include limits/rate
        count_start(at, start, now)
      end
    end
  end
  if not number then return true, math.ceil(start - now), 0 end
  local r, s = routine_of(invocation)
  local fixed = fixed_keys(job, find_route(job, r, s), r, s)
  call('HDEL', k_limited(job.id), 'n' .. invocation, 'v' .. invocation)
  if fixed then call('HDEL', k_limited(job.id), invocation) end
  return true, math.ceil(start - now), math.max(0, math.floor((pushed or now) - number / 100))
end
