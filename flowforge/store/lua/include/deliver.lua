-- Creates one invocation: its record, its place in a merging slot's log, its message; or adds an
-- item to a join. mode: '' plain, 'm' the slot merges, 'o' the slot's latest payload is
-- remembered, 'j<need>:<key>' the slot joins. counted: it is in the outstanding counters already.
--@include base, state, push
local function deliver(job, r, s, mode, record, counted)
  local kind = string.sub(mode, 1, 1)
  if kind == 'j' then
    local need, key = string.match(mode, '^j(%d+):(.*)$')
    -- From here on the collection is what is outstanding.
    if counted then call('HINCRBY', k_outstanding(job.id), r, -1) end
    if not collect_item then
      --@include join
      collect_item = collect
    end
    collect_item(job, r .. '.' .. s, tonumber(need), key, record)
    return
  end
  job.last = job.last + 1
  local invocation = string.format('%d.%s.%s', job.last, r, s)
  if kind == 'm' then
    local slot = r .. '.' .. s
    local k = call('HINCRBY', k_merges(job.id), slot, 1)
    call('HSET', k_merges(job.id), slot .. '.' .. k, record)
    invocation = invocation .. '.' .. k
  elseif kind == 'o' then
    call('HSET', k_merges(job.id), r .. '.' .. s .. '.last', record)
  end
  call('HSET', k_invocations(job.id), invocation, record)
  if job.joins and not counted then call('HINCRBY', k_outstanding(job.id), r, 1) end
  enqueue(job, invocation)
end
