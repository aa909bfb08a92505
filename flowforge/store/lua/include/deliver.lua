-- Creates one invocation: its record, its place in a merging slot's log, its message; or adds an
-- item to a join. mode: '' plain, 'm' the slot merges, 'o' the slot's latest payload is
-- remembered, 'j<need>:<key>' the slot joins. counted: it is in the outstanding counters already.
--@include base, state, lanes, push, join, damaged
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

-- In place of a routine: staged emissions that are outputs of the job.
local AS_OUTPUTS = '-1'

-- Adds outputs as far as the job's limit allows; all are counted.
local function add_outputs(job, records)
  if #records == 0 then return end
  local count = call('HINCRBY', k_job(job.id), 'output_count', #records)
  local room = job.output_limit - (count - #records)
  spent = spent + 0.3 * #records
  for i = 1, math.min(#records, room) do call('RPUSH', k_outputs(job.id), records[i]) end
end

-- Pushes what there is room for, parked work before work that is still staged: what is under way is
-- finished before more is begun. Mostly there is neither, so what does it is made where there is.
local function top_up(job, now)
  if job.status == 'paused' or ENDED[job.status] or job.parked + job.staged == 0 then return end

  -- How much of a job's parked and staged work one script releases; the claims and commits that follow release
  -- the rest. What is staged also counts by its bytes.
  local TOP_UP, BYTES = 128, 16384

  -- Pushes invocations from one list of parked ones, at most `room`; how many it had, and how many of these were
  -- pushed. An entry that names none must not keep those behind it from going on: it is dropped.
  local function push_parked(list, room)
    local invocations, pushed = call('LPOP', list, room) or {}, 0
    for _, invocation in ipairs(invocations) do
      if is_invocation(invocation) and find_route(job, routine_of(invocation)) then
        push(job, invocation)
        pushed = pushed + 1
      else
        record_damaged('parked', job.id .. '/' .. invocation, 'no invocation')
      end
    end
    spent = spent + #invocations - pushed
    return #invocations, pushed
  end

  -- Pushes what each lane of a job on several queues has room for.
  local function release_lanes()
    local lanes = lanes_of(job)
    for _, lane in ipairs(lanes.all()) do
      local parked, room = lanes.parked_in(lane), math.min(lanes.room(lane), room_of(job), TOP_UP)
      if parked > 0 and room > 0 then
        local list = lanes.parked_list(lane)
        local taken, pushed = push_parked(list, room)
        parked = parked - pushed
        -- What is not there is not parked, and what was no invocation was not counted.
        if taken == 0 or taken > pushed then parked = call('LLEN', list) end
        if taken > pushed and parked > 0 then look_again(job, now) end
        lanes.set_parked(lane, parked)
      end
    end
  end

  -- Pushes parked invocations while there is room.
  local function release_parked()
    if job.queues > 1 then return release_lanes() end
    local left = TOP_UP
    while job.parked > 0 and left > 0 and room_of(job) > 0 do
      local taken, pushed = push_parked(k_parked(job.id), math.min(room_of(job), left))
      if taken == pushed then
        job.parked = taken > 0 and job.parked - pushed or 0
        return
      end
      left = left - taken
      job.parked = call('LLEN', k_parked(job.id))
    end
    if job.parked > 0 and room_of(job) > 0 then look_again(job, now) end
  end

  -- Staged work comes behind what is parked. In lanes it goes on while one of them has nothing parked:
  -- what goes to the others is parked there, so that it keeps nothing behind it.
  local function takes_staged()
    if room_of(job) <= 0 then return false end
    if job.queues > 1 then return not lanes_of(job).all_parked() end
    return job.parked == 0
  end

  -- Turns staged emissions into invocations while there is room for them.
  local function release_staged()
    local most = spent + TOP_UP
    local segment = call('LINDEX', k_segments(job.id), 0)
    while segment and spent < most and takes_staged() do
      local item = call('LPOP', k_segment(segment))
      if item then
        local r, s, length, start = string.match(item, '^(%d+) (%d+) (%d+) ()')
        local mode = string.sub(item, start, start + length - 1)
        job.staged = job.staged - 1
        spent = spent + #item / BYTES
        deliver(job, r, s, mode, string.sub(item, start + length), true)
        -- What was parked in its lane was not pushed.
        if job.queues > 1 then spent = spent + 0.3 end
      else
        call('LPOP', k_segments(job.id))
        segment = call('LINDEX', k_segments(job.id), 0)
      end
    end
    -- It was enough, though there is room: items of joins take none, and start nothing that would
    -- come back here.
    if segment and takes_staged() then look_again(job, now) end
  end

  -- Staged outputs take no room, so they wait for none.
  local function release_outputs()
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
    add_outputs(job, outputs)
    if segment then look_again(job, now) end
  end

  if job.parked > 0 and room_of(job) > 0 then release_parked() end
  if job.staged == 0 then return end
  release_outputs()
  if job.staged > 0 and takes_staged() then release_staged() end
  if job.staged == 0 then
    fire_complete(job, now)
  else
    -- What was committed is not there any more: settle fails the job.
    job.missing = call('EXISTS', k_segments(job.id), k_output_segments(job.id)) == 0
  end
end
