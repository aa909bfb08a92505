-- Releases exactly what was parked. With retry = '1' a failed job is what is resumed.
-- In:  id, retry
-- Out: 'ok' | 'gone' | 'undefined' (its definition is gone) | the status that does not allow it
--@include base, history, push, join, deliver, family, trash, finish
local id, retry = ARGV[2], ARGV[3] == '1'
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
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
settle(job, now)
look_at_children(job, now)
notify(job)
return 'ok'
