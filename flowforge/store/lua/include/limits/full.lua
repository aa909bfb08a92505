-- A claim that has found a limit full.
--@include limits/hand_on, limits/wait

-- What the limit says of it: with 'wait' it waits there now. owned: which of the keys had a place for its message, which
-- goes on.
local function be_refused(job, invocation, keys, owned, full, number, now, wake)
  local policy = full.full
  -- With 'replace' a place is made, but none that the rate does not allow: it waits for that.
  if policy == 'wait' or policy == 'replace' and wake then
    policy = 'wait'
    wait_at(job, invocation, full, number, now, wake)
  end
  for i = 1, #keys do
    if owned[i] then hand_on(keys[i], now) end
  end
  return policy
end
