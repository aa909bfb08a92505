-- Removing what may be large without holding the server up. UNLINK frees in another thread, but a
-- busy server shares its cores with that. Large hashes wait in the trash, out of everybody's way,
-- and the upkeep takes them away in pieces (dispose.lua).
--@include base, lanes

-- Fields that a script removes itself.
local FEW = 500

-- Milliseconds that large hashes outlive their job, if nobody deletes them away as they should: then
-- the server frees them at once.
local SPARE = 3600000

-- What only a job that can go on needs: hashes, the children's last, and lists. job: nil when its row is
-- gone, and its lists with it.
local function work_of(id, job)
  local lists = { k_parked(id), k_late(id) }
  if job and job.queues > 1 then
    local lanes = lanes_of(job)
    for _, lane in ipairs(lanes.all()) do lists[#lists + 1] = lanes.backlog(lane) end
  end
  return { k_invocations(id), k_attempts(id), k_merges(id), k_outstanding(id), k_joins(id),
    k_collected(id), k_told(id), k_lanes(id), k_children(id) }, lists
end

-- Behind an attempt: the list of its staged outputs, which are apart from its staged children.
local OUTPUTS = '/o'

-- Takes back the timers of what is removed: of invocations, or of open joins. name: a hash of either,
-- without its root, else nothing is done; key: where the hash is; fields: some of it.
local function take_back_timers(name, key, fields)
  local id, kind = string.match(name, '^j:(.+):([ik])$')
  if not id or not fields[1] then return end
  local members = {}
  if kind == 'i' then
    for i, invocation in ipairs(fields) do members[i] = id .. '/' .. invocation end
  else
    for i, state in ipairs(call('HMGET', key, unpack(fields))) do
      members[i] = id .. '/join/' .. (string.match(state, '^%d+') or '') .. ' ' .. fields[i]
    end
  end
  call('ZREM', k_timers(), unpack(members))
end

-- Puts a key into the trash, called what it was called without its root.
local function delete_whole(key)
  local name = string.sub(key, #P + 1)
  call('RENAME', key, k_deleted(name))
  call('RPUSH', k_deletions(), name)
end

-- Removes hashes; large ones wait in the trash. With `told` the last hash is that of children, and
-- stays if they are many: they are to be told of the end first.
local function delete_hashes(keys, told)
  if told and call('HLEN', keys[#keys]) > FEW then table.remove(keys) end
  local small = {}
  for _, key in ipairs(keys) do
    if call('HLEN', key) > FEW then
      delete_whole(key)
    else
      local name = string.sub(key, #P + 1)
      if string.match(name, ':[ik]$') then take_back_timers(name, key, call('HKEYS', key)) end
      small[#small + 1] = key
    end
  end
  if small[1] then call('UNLINK', unpack(small)) end
end

-- Removes what is no hash: the index of open collections, and segments, each a key of its own.
local function delete_away_indexes(id)
  for _, key in ipairs({ k_segments(id), k_output_segments(id) }) do
    if call('EXISTS', key) == 1 then delete_whole(key) end
  end
  if call('ZCARD', k_opened(id)) > FEW then
    delete_whole(k_opened(id))
  else
    call('UNLINK', k_opened(id))
  end
end
