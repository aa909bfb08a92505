-- Before a message is pushed: it gets a place of each limit at once, or its invocation waits for one.
--@include base, state, shared, limits/keys

-- Whether the message may be pushed.
local function admit(job, invocation)
  local keys, number = keys_of(job, invocation)
  if not keys then return true end
  local member, now = job.id .. '/' .. invocation, now_ms()
  for i = 1, #keys do
    local at = at_key(keys[i])
    -- Other policies are those of a claim, which finds the limit full.
    if at.full ~= 'wait' or at.tied and shared('ZSCORE', at.places, member .. '/') then
      keys[i] = false
    else
      keys[i] = at
      if at.waits == nil then at.waits = call('EXISTS', k_limit_waiters(at.key)) == 1 end
      local room, wake = 0, nil
      -- What comes later never overtakes.
      if at.off or not at.waits then room, wake = room_at(at, now, number) end
      if room <= 0 then
        spent = spent + 0.5
        --@include limits/wait
        wait_at(job, invocation, at, number, now, wake)
        return false
      end
    end
  end
  for i = 1, #keys do
    if keys[i] then add_place(keys[i], -now, member) end
  end
  return true
end
