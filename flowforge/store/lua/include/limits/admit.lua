-- Before a message is pushed: it gets a place of each limit at once, or its invocation waits for one.
--@include base, state, shared, limits/keys

-- Whether the message may be pushed.
local function admit(job, invocation)
  local keys, number = keys_of(job, invocation)
  if not keys then return true end
  local member, now = job.id .. '/' .. invocation, now_ms()
  for _, key in ipairs(keys) do
    local settings = settings_of(key)
    local kept = settings.tied == 'invocation' and shared('ZSCORE', k_limit_places(key), member .. '/')
    if settings.full == 'wait' and not settings.off and not kept then
      local room, wake = 0, nil
      -- What comes later never overtakes.
      if call('EXISTS', k_limit_waiters(key)) == 0 then room, wake = room_at(key, now, number) end
      if room <= 0 then
        spent = spent + 0.5
        wait_at(job, invocation, key, number, now, wake)
        return false
      end
    end
  end
  for _, key in ipairs(keys) do
    local settings = settings_of(key)
    -- Other policies are those of a claim, which finds the limit full.
    if settings.full == 'wait'
        and not (settings.tied == 'invocation' and shared('ZSCORE', k_limit_places(key), member .. '/')) then
      reserve(key, member, now)
    end
  end
  return true
end
