-- What a limit is full for, and that is not to wait.
--@include base, history, complete_joins, settle, merging_log

-- Ends an invocation without an effect. It is in none of the job's counters any more.
local function drop_invocation(job, invocation, kind, details, now)
  local id, r = job.id, routine_of(invocation)
  local items = string.match(call('HGET', k_invocations(id), invocation) or '', '^J(%d+) ')
  call('HDEL', k_invocations(id), invocation)
  call('HDEL', k_claims(id), invocation, 'l' .. invocation, 'u' .. invocation)
  call('HDEL', k_limited(id), invocation, 'n' .. invocation, 'v' .. invocation)
  call('HSET', k_routines(id), r .. '.status', 'skipped', r .. '.ended', now)
  remember(job, kind, invocation, details)
  if items then
    --@include pieces
    delete_items(k_collected(id), id, string.match(invocation, '^%d+'), 1, tonumber(items))
  end
  local merging, position = string.match(invocation, '^%d+%.(%d+%.%d+)%.(%d+)$')
  if merging then log_of(id, merging).release_epoch(position) end
  if job.joins and call('HINCRBY', k_outstanding(id), r, -1) <= 0 then fire_complete(job, now, r) end
  settle(job, now)
end

-- policy: of the limit at the key: drop or fail.
local function turn_away(job, invocation, key, policy, now)
  if policy == 'drop' then
    drop_invocation(job, invocation, 'dropped_at_limit', key, now)
  else
    --@include fail_job
    fail_job(job, invocation, 'the limit ' .. key .. ' is full', 'full 0 ' .. key, now)
  end
end
