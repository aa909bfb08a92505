-- Releases exactly what was parked. With retry = '1' a failed job is what is resumed.
-- In:  id, retry, request
-- Out: 'ok' | 'gone' | 'undefined' (its definition is gone) | the status that does not allow it
--@include base, history, push, trash, join, deliver, family, finish
local id, retry, request = ARGV[2], ARGV[3] == '1', ARGV[4]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if call('HEXISTS', k_definition(job.def), 'json') == 0 then return 'undefined' end
local now = now_ms()
if retry then
  if job.status ~= 'failed' then return job.status end
  revive(job)
  remember(job, 'retry', '', '')
  rejoin_parent(job, now)
else
  if job.status ~= 'paused' then return job.status end
  set_live(job)
  call('HDEL', k_job(id), 'reason')
  remember(job, 'resumed', '', '')
end
meet(id, request)
bring_back_late(job, now)
settle(job, now)
look_at_children(job, now)
notify(job)
return 'ok'
