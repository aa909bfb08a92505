-- Creates one invocation: its record, its place in a merging slot's log, its message; or adds an
-- item to a join. mode: '' plain, 'm' the slot merges, 'o' the slot's latest payload is
-- remembered, 'j<need>:<key>' the slot joins. counted: it is in the outstanding counters already.
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

-- Largest number of invocations that one script releases. Each costs about 10 us of the server's
-- time; the claims and commits that follow release the rest.
local TOP_UP = 128

-- Turns staged emissions into invocations while there is room for them.
local function release_staged(job, now)
  local effort = 0
  while job.staged > 0 and effort < TOP_UP and room_of(job) > 0 do
    local segment = call('LINDEX', k_segments(job.id), 0)
    local item = segment and call('LPOP', k_segment(segment))
    if item then
      local r, s, length, start = string.match(item, '^(%d+) (%d+) (%d+) ()')
      local mode = string.sub(item, start, start + length - 1)
      job.staged = job.staged - 1
      -- An item of a join makes no message and costs a fraction of one.
      effort = effort + (string.sub(mode, 1, 1) == 'j' and 0.3 or 1)
      deliver(job, r, s, mode, string.sub(item, start + length), true)
    elseif segment then
      call('LPOP', k_segments(job.id))
    else
      job.staged = 0
    end
  end
  if job.staged == 0 then fire_complete(job, now) end
  -- It was the effort that ended it, not the window: items of joins take no room, and start nothing
  -- that would come back here.
  if job.staged > 0 and room_of(job) > 0 then look_again(job, now) end
end

-- Lets waiting work go, work that exists before work that is still staged: what is under way is
-- finished before more is begun.
local function top_up(job, now)
  if job.status == 'paused' or ENDED[job.status] then return end
  if job.waiting > 0 then
    local room = math.min(room_of(job), TOP_UP)
    local tags = room > 0 and call('LPOP', k_backlog(job.id), room)
    if tags then
      job.waiting = job.waiting - #tags
      for _, tag in ipairs(tags) do push(job, tag) end
    elseif room > 0 then
      job.waiting = 0
    end
  end
  if job.staged > 0 and job.waiting == 0 then release_staged(job, now) end
end
