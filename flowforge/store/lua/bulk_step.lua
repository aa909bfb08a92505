-- Does the next piece of a bulk operation.
-- In:  bulk, or '' for the first one that is due; most jobs
-- Out: {jobs that were acted on, jobs that are left, ms until the next piece}; all 0 when none is due
--@include base, state, job_row, pieces, full, request, damaged, bulks
--@include control/pause, control/resume, control/retry, control/cancel, control/delete, control/label
local bulk, most = ARGV[2], tonumber(ARGV[3])

-- How much of the jobs' work one call does, in messages.
local ENOUGH = 256

-- What an action costs the server for one job, in messages, beyond the work that it releases.
local COSTS = { retry = 8, cancel = 8, pause = 4, resume = 4, delete = 8, label = 2.5 }

-- Milliseconds of a rate that may be made up for, when the pieces come late.
local BEHIND = 500

-- Jobs that are kept as samples of one refusal, and of those that have taken the action.
local SAMPLES, TAKEN = 5, 20

-- Labels of a job, MOST_LABELS of model/jobs/labels.py.
local MOST_LABELS = 16

local now = now_ms()

local function changes_of(text)
  local changes = {}
  for name, value in string.gmatch(text, '([^\n=]+)=([^\n]*)') do changes[name] = value end
  return changes
end

-- action -> what it does to one job. 'ok', or why not: one word, or the status that does not allow it.
local function actions(operation)
  local by, reason, details = operation.by, operation.reason, operation.details
  return {
    retry = function(job, request) return retry_by_hand(job, details, request, now) end,
    cancel = function(job, request)
      return cancel_by_hand(job, by, reason, details, operation.undo, request, now)
    end,
    pause = function(job, request)
      -- Who paused it before stays the one who has.
      if job.status == 'paused' and not is_met(job.id, request) then return 'paused' end
      return pause_job(job, by, reason, '', operation.point, request, now)
    end,
    resume = function(job, request) return resume_job(job, details, request, now) end,
    delete = function(job) return delete_job(job, now) end,
    label = function(job) return label_job(job, MOST_LABELS, operation.changes) end,
  }
end

local function load_bulk(id)
  local f = call('HMGET', k_bulk(id), 'status', 'action', 'by', 'reason', 'details', 'point', 'labels', 'rate',
    'next', 'undo')
  if f[1] ~= 'running' then return nil end
  return {
    action = f[2], undo = f[10] == '1', by = f[3], reason = f[4], details = f[5], point = f[6], changes = changes_of(f[7]),
    -- Milliseconds between two jobs, nil for none; when the next one may be acted on.
    interval = tonumber(f[8]) and 1000 / tonumber(f[8]), next = tonumber(f[9]),
  }
end

-- How many jobs the rate allows now, of a list that is not empty.
local function allowed(operation)
  if not operation.interval then return most end
  operation.next = math.max(operation.next, now - math.max(BEHIND, operation.interval))
  if operation.next > now then return 0 end
  return math.min(most, math.floor((now - operation.next) / operation.interval) + 1)
end

-- What a job has that actions delete, or look at, by the hash; large hashes are left to the upkeep.
local function cost_of_hashes(id)
  local fields = 0
  for _, key in ipairs({ k_invocations(id), k_claims(id), k_merges(id), k_collected(id), k_children(id) }) do
    fields = fields + math.min(FEW, call('HLEN', key))
  end
  -- What is expected is counted where it is taken out of what all jobs share.
  return 0.05 * fields
end

-- Acts on one job; the answer.
local function act_on(act, bulk_id, id)
  local answer
  local done, why = pcall(function()
    local job = load_job(id)
    if not job then
      answer = 'gone'
    elseif job.newer then
      answer = 'newer'
    else
      spent = spent + cost_of_hashes(id)
      answer = act(job, bulk_id .. '/' .. id)
    end
  end)
  -- The next job must not find what this one has left half done, or a job that is deleted.
  forget_loaded()
  if done then return answer end
  record_damaged('bulk', id, type(why) == 'table' and why.err or tostring(why))
  return 'damaged'
end

local function count_refusal(id, answer, job_id)
  if call('HINCRBY', k_bulk(id), 'refused ' .. answer, 1) > SAMPLES then return end
  local samples = call('HGET', k_bulk(id), 'sample ' .. answer)
  call('HSET', k_bulk(id), 'sample ' .. answer, (samples and samples .. ' ' or '') .. job_id)
end

-- The first jobs that have taken the action, for a look at what becomes of them.
local function keep_samples(id, done)
  local f = call('HMGET', k_bulk(id), 'done', 'taken')
  local room = TAKEN - tonumber(f[1] or 0)
  if room <= 0 or #done == 0 then return end
  local some = table.concat(done, ' ', 1, math.min(room, #done))
  call('HSET', k_bulk(id), 'taken', (f[2] and f[2] .. ' ' or '') .. some)
end

local acted, left, wait = 0, 0, 0

local function do_piece(id)
  local operation = load_bulk(id)
  if not operation then
    call('ZREM', k_active_bulks(), id)
    return
  end
  write_though_full()
  local act, count = actions(operation)[operation.action], allowed(operation)
  local ids = count > 0 and call('LRANGE', k_bulk_jobs(id), -count, -1) or {}
  local done = {}
  -- The oldest are at the end.
  for i = #ids, 1, -1 do
    if spent >= ENOUGH then break end
    spent = spent + COSTS[operation.action]
    local answer = act_on(act, id, ids[i])
    acted = acted + 1
    if answer == 'ok' then
      done[#done + 1] = ids[i]
    else
      count_refusal(id, answer, ids[i])
    end
  end
  if acted > 0 then
    call('LTRIM', k_bulk_jobs(id), 0, -acted - 1)
    keep_samples(id, done)
    call('HINCRBY', k_bulk(id), 'done', #done)
  end
  left = call('LLEN', k_bulk_jobs(id))
  if left == 0 then return end_bulk(id, 'done', now) end
  if operation.interval then
    operation.next = operation.next + acted * operation.interval
    call('HSET', k_bulk(id), 'next', string.format('%.3f', operation.next))
    wait = math.max(0, math.ceil(operation.next - now))
  end
  call('ZADD', k_active_bulks(), now + wait, id)
end

if bulk == '' then
  bulk = call('ZRANGEBYSCORE', k_active_bulks(), '-inf', now, 'LIMIT', 0, 1)[1]
  if not bulk then return { 0, 0, 0 } end
end
handle_member('bulks', k_active_bulks(), bulk, now + PUT_OFF, do_piece)
return { acted, left, wait }
