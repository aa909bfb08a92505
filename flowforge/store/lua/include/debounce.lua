-- Calls of one key that come one after another make one job, which waits for a while after the latest of them.
-- It is put off as any other, and takes calls as long as its first invocation is on the timer.
--@include base, shared, job_row, timers, met

-- The first bytes of a record of all calls, behind version and emitter: a map of one name, whose value is an
-- array that tells its length in four bytes.
local ITEMS = '\129\165items\221'

-- Milliseconds that the key outlives the time at which its job is due.
local OVERDUE = 30 * 86400000

local function length_of(count)
  return string.char(math.floor(count / 16777216) % 256, math.floor(count / 65536) % 256,
    math.floor(count / 256) % 256, count % 256)
end

-- The record of the params of one call as that of all calls. size: bytes of the params in it.
local function record_of_all(record, size)
  return string.sub(record, 1, 3) .. ITEMS .. length_of(1) .. string.sub(record, 4, 3 + size)
    .. string.sub(record, 4 + size)
end

-- The same with one more call; nil for a record that an operator has changed. tail: bytes behind the params.
local function add_to_all(record, count, params, tail)
  if string.sub(record, 4, 3 + #ITEMS) ~= ITEMS then return nil end
  local head, first = string.sub(record, 1, 3), 4 + #ITEMS + 4
  return head .. ITEMS .. length_of(count) .. string.sub(record, first, #record - tail) .. params
    .. string.sub(record, #record - tail + 1)
end

-- The job that waits for further calls of the key, or nil; with it what the key holds.
local function waiting_of(key)
  local f = shared('HMGET', k_debounce(key), 'job', 'invocation', 'until', 'due', 'keep', 'tail')
  if not f[1] then return nil end
  local at = call('ZSCORE', k_timers(), timer_of(f[1], 'invocation', f[2]))
  local job = at and load_job(f[1])
  if not job or ENDED[job.status] then return nil end
  return job, { invocation = f[2], last = tonumber(f[3]), due = tonumber(f[4]), at = tonumber(at), keep = f[5],
    tail = tonumber(f[6]) }
end

-- The first call: the job is there, and waits until `at`.
-- last: until when it waits at most, '' for no such time; tail: bytes of the record behind the params.
local function begin_waiting(key, job, invocation, at, last, keep, tail)
  call('UNLINK', k_debounce(key))
  shared('HSET', k_debounce(key), 'job', job.id, 'invocation', invocation, 'until', last, 'due', at, 'keep', keep,
    'tail', tail)
  call('PEXPIRE', k_debounce(key), at + OVERDUE - now_ms())
  call('HSET', k_job(job.id), 'debounce', key, 'calls', 1)
end

-- What is kept of the entry params follows the record. params: as submit.lua has them.
local function keep_params(job, record, params)
  if params == 'none' or params == 'large' then
    call('UNLINK', k_entry_params(job.id))
    call('HSET', k_job(job.id), 'params', params)
  else
    call('SET', k_entry_params(job.id), params == 'same' and record or params)
    call('HSET', k_job(job.id), 'params', 'kept')
  end
end

-- A further call. Returns how many there are, or nil when the job cannot take it: it has all that it may have, or
-- params may be secret that are none in its own definition.
-- one: id (that the job would have had), wait, record, size (bytes of the params in it), params, idempotency;
-- def: of the call; limits: calls, bytes, and bytes of params that are kept.
local function take_call(key, job, waiting, one, def, limits, now)
  local record, params = one.record, one.params
  -- What hides secrets is not the record itself; of large params it is not known.
  if def ~= job.def and params ~= 'none' and params ~= 'same' then return nil end
  if one.idempotency ~= '' and call('LLEN', k_further_keys(job.id)) >= limits.calls then return nil end
  if waiting.keep == 'all' then
    local before = call('HGET', k_invocations(job.id), waiting.invocation)
    local count = tonumber(call('HGET', k_job(job.id), 'calls')) + 1
    if count > limits.calls or #before + one.size > limits.bytes then return nil end
    record = add_to_all(before, count, string.sub(record, 4, 3 + one.size), waiting.tail)
    if not record then return nil end
    params = #record > limits.kept and 'large' or 'same'
  end
  remember_answer(one.id, 'debounce ' .. job.id)
  if one.idempotency ~= '' then
    call('SET', k_idempotency(one.idempotency), job.id)
    call('RPUSH', k_further_keys(job.id), one.idempotency)
  end
  if waiting.keep ~= 'first' then
    call('HSET', k_invocations(job.id), waiting.invocation, record)
    keep_params(job, record, params)
  end
  -- A time that a person has set stays.
  if waiting.at == waiting.due then
    local at = now + one.wait
    if waiting.last then at = math.min(at, waiting.last) end
    set_timer(at, job.id, 'invocation', waiting.invocation)
    shared('HSET', k_debounce(key), 'due', at)
    call('HSET', k_job(job.id), 'due', at)
    --@include deadlines
    move_deadlines(job, at - waiting.at)
    call('PEXPIRE', k_debounce(key), at + OVERDUE - now)
  end
  save_job(job, now)
  return call('HINCRBY', k_job(job.id), 'calls', 1)
end

-- A person has set another time, up to which the key is needed as well.
local function keep_key(job, at, now)
  local key = call('HGET', k_job(job.id), 'debounce')
  if key then call('PEXPIRE', k_debounce(key), at + OVERDUE - now) end
end

-- The key of a job that ends is free, unless another job has it by now.
local function leave_key(job, key)
  if shared('HGET', k_debounce(key), 'job') == job.id then call('UNLINK', k_debounce(key)) end
end
