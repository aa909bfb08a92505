-- The outbox: what happened that hooks hear of, a line each. Hooks read it, each from its own place on.
-- Included where there is a hook alone: a job pays for it only then.
--@include base

-- Lines that are kept, about, the latest; milliseconds from its latest line for which the outbox is kept.
local MOST_LINES = 10000
local OUTBOX_KEPT = 7 * 86400000

-- Adds a line. happened: a name that model/hooks/hook_event.py has; sample: routine id, type, place and message.
-- What is damaged there keeps no job from its transition; hooks do not hear of it then.
local function tell_hooks(happened, job, invocation, sample, now)
  local number = redis.pcall('HINCRBY', k_hook_places(), '#', 1)
  if type(number) ~= 'number' then return end
  local routine, kind, place, message = unpack(sample)
  local flow = call('HGET', k_job(job.id), 'flow') or ''
  -- A hook for a flow hears of the jobs that undo its jobs.
  if happened == 'undo_failed' then flow = string.gsub(flow, ' %(undo%)$', '') end
  local line = { 'MAXLEN', '~', MOST_LINES, number .. '-1', 'what', happened, 'job', job.id,
    'flow', flow, 'invocation', invocation or '', 'routine', routine,
    'type', kind, 'at', place, 'message', message, 'ms', string.format('%d', now) }
  if type(redis.pcall('XADD', k_outbox(), unpack(line))) == 'table' then
    -- No stream, or one whose numbers are higher: those of the hooks began again without it.
    call('UNLINK', k_outbox())
    call('XADD', k_outbox(), unpack(line))
  end
  call('PEXPIRE', k_outbox(), OUTBOX_KEPT)
end
