-- The time of a delivery has come that its slot merges, remembers or joins.
--@include base, deliver, limits/mode, complete_joins, settle

-- kept: 'e:mode', as put_off has kept it. Also while the job is paused: what it starts is parked.
local function deliver_put_off(job, invocation, kept, now)
  local emitter, mode = string.match(kept, '^(%d*):(.*)$')
  local number, r, s = string.match(invocation, '^(%d+)%.(%d+)%.(%d+)$')
  local _, behind = split_limits(mode)
  local record, joins = call('HGET', k_invocations(job.id), invocation), string.sub(behind, 1, 1) == 'j'
  call('HDEL', k_invocations(job.id), invocation)
  call('HDEL', k_put_off(job.id), invocation)
  deliver(job, r, s, mode, record, not joins, number)
  if joins and emitter ~= '' and call('HINCRBY', k_outstanding(job.id), emitter, -1) <= 0 then
    fire_complete(job, now, emitter)
  end
  settle(job, now)
  if job.status == 'failed' then
    --@include stay_failed
    stay_failed(job)
  end
end
