-- Pushes again what was popped but never claimed.
-- In:  broker list, then push number, id/invocation each
-- Out: {pushed again, parked, dropped, then of each that was pushed: id, invocation, definition hash}
--@include base, members, job_row, push, park, damaged, fail_job
local list, arguments = ARGV[2], ARGV
local now = now_ms()
local pushed, parked, dropped = 0, 0, 0
local pushed_parts = {}

local function push_again(job, invocation)
  push_message(job, invocation, 'again')
  pushed = pushed + 1
  for _, part in ipairs({ job.id, invocation, job.def }) do pushed_parts[#pushed_parts + 1] = part end
end

local function resend(member)
  local id, invocation = parts_of(member)
  call('ZREM', k_unclaimed(list), member)
  if not is_invocation(invocation) then
    dropped = dropped + 1
    return record_damaged('unclaimed', member, 'no invocation')
  end
  local job = load_job(id)
  local wanted = job and job.status ~= 'completed' and job.status ~= 'cancelled'
  if job and job.newer then
    -- The message alone, so that it finds a worker of the release that wrote the job.
    if find_route(job, routine_of(invocation)) then push_again(job, invocation) else pushed = pushed + 1 end
  elseif wanted and call('HEXISTS', k_invocations(id), invocation) == 0 then
    dropped = dropped + 1
    record_damaged('unclaimed', member, 'the job has no such invocation')
  elseif wanted then
    local wrong = not find_route(job, routine_of(invocation))
    local again = not wrong and job.status ~= 'paused' and job.status ~= 'failed'
    count_message(job, list, -1, not again and member)
    if wrong then
      if job.status ~= 'failed' then fail_undefined(job, invocation, now) end
      parked = parked + 1
    elseif again then
      push_again(job, invocation)
    else
      park(job, invocation)
      parked = parked + 1
    end
    save_job(job, now)
  else
    dropped = dropped + 1
    if job then
      count_message(job, list, -1, member)
      save_job(job, now)
    end
  end
end

for i = 3, #arguments, 2 do
  local number, member = arguments[i], arguments[i + 1]
  -- Claimed or pushed again since the caller looked: not lost.
  if call('ZSCORE', k_unclaimed(list), member) == number then
    -- What fails comes behind all that has been pushed.
    local latest = tonumber(call('HGET', k_sequences(), list) or 0) or 0
    handle_member('unclaimed', k_unclaimed(list), member, latest, resend)
  end
end
return { pushed, parked, dropped, unpack(pushed_parts) }
