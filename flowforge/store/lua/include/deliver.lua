-- Creates one invocation: its record, its place in a merging slot's log, its message; or adds an
-- item to a join. mode: '' plain, 'm' the slot merges, 'o' the slot's latest payload is
-- remembered, 'j<need>:<key>' the slot joins. counted: it is in the outstanding counters already.
--@include base, damaged, push, join
local function deliver(job, r, s, mode, record, counted)
  local kind = string.sub(mode, 1, 1)
  if kind == 'j' then
    local need, key = string.match(mode, '^j(%d+):(.*)$')
    -- From here on the collection is what is outstanding.
    if counted then call('HINCRBY', k_outstanding(job.id), r, -1) end
    collect(job, r .. '.' .. s, tonumber(need), key, record)
    return
  end
  job.last = job.last + 1
  local tag = string.format('%d.%s.%s', job.last, r, s)
  if kind == 'm' then
    local slot = r .. '.' .. s
    local k = call('HINCRBY', k_merges(job.id), slot, 1)
    call('HSET', k_merges(job.id), slot .. '.' .. k, record)
    tag = tag .. '.' .. k
  elseif kind == 'o' then
    call('HSET', k_merges(job.id), r .. '.' .. s .. '.last', record)
  end
  call('HSET', k_invocations(job.id), tag, record)
  if job.joins and not counted then call('HINCRBY', k_outstanding(job.id), r, 1) end
  enqueue(job, tag)
end

-- The routine of staged emissions that go to nobody: outputs of the job.
local NOBODY = '-1'

-- Adds outputs as far as the job's limit allows; all are counted.
local function put_out(job, records)
  if #records == 0 then return end
  local count = call('HINCRBY', k_job(job.id), 'output_count', #records)
  local room = job.output_limit - (count - #records)
  spent = spent + 0.3 * #records
  for i = 1, math.min(#records, room) do call('RPUSH', k_outputs(job.id), records[i]) end
end

-- How much of a job's waiting work one script releases; the claims and commits that follow release
-- the rest. What is staged also counts by its bytes.
local TOP_UP = 128
local BYTES = 16384

-- Turns staged emissions into invocations while there is room for them.
local function release_staged(job, now)
  local most = spent + TOP_UP
  local segment = call('LINDEX', k_segments(job.id), 0)
  while segment and spent < most and room_of(job) > 0 do
    local item = call('LPOP', k_segment(segment))
    if item then
      local r, s, length, start = string.match(item, '^(%d+) (%d+) (%d+) ()')
      local mode = string.sub(item, start, start + length - 1)
      job.staged = job.staged - 1
      spent = spent + #item / BYTES
      deliver(job, r, s, mode, string.sub(item, start + length), true)
    else
      call('LPOP', k_segments(job.id))
      segment = call('LINDEX', k_segments(job.id), 0)
    end
  end
  -- It was enough, though there is room: items of joins take none, and start nothing that would
  -- come back here.
  if segment and room_of(job) > 0 then look_again(job, now) end
end

-- Pushes parked invocations while there is room. An entry that names none must not keep those behind
-- it from going on: it is dropped.
local function release_parked(job, now)
  local left = TOP_UP
  while job.waiting > 0 and left > 0 and room_of(job) > 0 do
    local tags = call('LPOP', k_backlog(job.id), math.min(room_of(job), left))
    if not tags then
      job.waiting = 0
      return
    end
    local pushed = 0
    for _, tag in ipairs(tags) do
      if is_tag(tag) and find_route(job, routine_of(tag)) then
        push(job, tag)
        pushed = pushed + 1
      else
        tell_damaged('backlog', job.id .. '/' .. tag, 'no invocation')
      end
    end
    if pushed == #tags then
      job.waiting = job.waiting - pushed
      return
    end
    left = left - #tags
    spent = spent + #tags - pushed
    job.waiting = call('LLEN', k_backlog(job.id))
  end
  if job.waiting > 0 and room_of(job) > 0 then look_again(job, now) end
end

-- Lets waiting work go, work that exists before work that is still staged: what is under way is
-- finished before more is begun.
local function top_up(job, now)
  if job.status == 'paused' or ENDED[job.status] then return end
  if job.waiting > 0 and room_of(job) > 0 then release_parked(job, now) end
  if job.staged == 0 then return end

  -- Staged outputs take no room, so they wait for none.
  local most, outputs = spent + TOP_UP, {}
  local segment = call('LINDEX', k_output_segments(job.id), 0)
  while segment and spent + 0.3 * #outputs < most do
    local record = call('LPOP', k_segment(segment))
    if record then
      outputs[#outputs + 1] = record
      spent = spent + #record / BYTES
    else
      call('LPOP', k_output_segments(job.id))
      segment = call('LINDEX', k_output_segments(job.id), 0)
    end
  end
  job.staged = job.staged - #outputs
  put_out(job, outputs)
  if segment then look_again(job, now) end

  if job.staged > 0 and job.waiting == 0 then release_staged(job, now) end
  if job.staged == 0 then
    fire_complete(job, now)
  else
    -- What was committed is not there any more: settle fails the job.
    job.missing = call('EXISTS', k_segments(job.id), k_output_segments(job.id)) == 0
  end
end
