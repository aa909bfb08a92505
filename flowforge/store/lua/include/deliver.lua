-- Creates one invocation: its record, its place in a merging slot's log, its message; or adds an
-- item to a join. mode: '' plain, 'm' the slot merges, 'o' the slot's latest payload is
-- remembered, 'j<need>:<key>' the slot joins; before it when it is to be made, as put_off has it.
-- counted: it is in the outstanding counters already; number: of its own, for what was put off.
--@include base, push
local function deliver(job, r, s, mode, record, counted, number)
  local kind, limits = '', nil
  if mode ~= '' then
    kind = string.sub(mode, 1, 1)
    if kind == '+' or kind == '@' then
      --@include put_off
      mode = put_off(job, r, s, mode, record, counted)
      if not mode then return end
      kind = string.sub(mode, 1, 1)
    end
    if kind == 'L' then
      --@include limits/mode
      limits, mode = split_limits(mode)
      kind = string.sub(mode, 1, 1)
    end
    if kind == 'j' then
      local need, key = string.match(mode, '^j(%d+):(.*)$')
      -- From here on the collection is what is outstanding.
      if counted then call('HINCRBY', k_outstanding(job.id), r, -1) end
      --@include join
      collect(job, r .. '.' .. s, tonumber(need), key, record, limits)
      return
    end
  end
  if not number then
    job.last = job.last + 1
    number = job.last
  end
  local invocation = string.format('%d.%s.%s', number, r, s)
  if kind == 'm' then
    local slot = r .. '.' .. s
    local k = call('HINCRBY', k_merges(job.id), slot, 1)
    call('HSET', k_merges(job.id), slot .. '.' .. k, record)
    invocation = invocation .. '.' .. k
  elseif kind == 'o' then
    call('HSET', k_merges(job.id), r .. '.' .. s .. '.last', record)
  end
  call('HSET', k_invocations(job.id), invocation, record)
  if limits then
    call('HSET', k_limited(job.id), invocation, limits)
    job.created_at_limits = job.created_at_limits or {}
    job.created_at_limits[invocation] = limits
  end
  if job.joins and not counted then call('HINCRBY', k_outstanding(job.id), r, 1) end
  enqueue(job, invocation)
end
