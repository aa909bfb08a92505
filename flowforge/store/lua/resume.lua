-- Releases exactly what was parked. With retry = '1' a failed job is what is resumed.
-- In:  id, retry, request
-- Out: 'ok' | 'gone' | 'undefined' (its definition is gone) | the status that does not allow it
--@include base, full, trash, family, history, finish, late, request

-- Back to where a job stood before it was paused or failed: it may never have been started.
local function set_live(job)
  set_status(job, call('HEXISTS', k_job(job.id), 'started') == 1 and 'running' or 'pending')
end

-- Makes a failed job live again.
local function revive(job)
  call('HINCRBY', k_definition(job.def), 'active', 1)
  call('PERSIST', k_definition(job.def))
  local hashes, lists = work_of(job.id)
  for _, keys in ipairs({ kept_of(job.id), hashes, lists }) do
    for _, key in ipairs(keys) do call('PERSIST', key) end
  end
  local idempotency = call('HGET', k_job(job.id), 'idempotency')
  if idempotency then call('PERSIST', k_idempotency(idempotency)) end
  call('ZREM', k_expiry(), job.id)
  call('HDEL', k_job(job.id), 'ended', 'error', 'reason')
  set_live(job)
end

-- A child that goes on after its end was told is waited for again, unless it is too late for that.
local function rejoin_parent(job, now)
  if not job.parent then return end
  local id, tag = parts_of(job.parent)
  local parent = load_job(id)
  if parent and not parent.newer and call('LREM', k_backlog(id), 1, tag) == 1 then
    parent.waiting = parent.waiting - 1
    call('HSET', k_children(id), job.id, tag)
    stay_with(parent, k_children(id))
    save_job(parent, now)
    -- Nobody else would see that the parent is not retried any more.
    if parent.status == 'failed' then
      call('ZADD', k_timers(), now + math.max(0, call('PTTL', k_job(id))) + 1000, job.id .. '/look')
    end
  end
end

local id, retry, request = ARGV[2], ARGV[3] == '1', ARGV[4]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if call('HEXISTS', k_definition(job.def), 'json') == 0 then return 'undefined' end
write_though_full()
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
