-- Deleting what may be large without holding the server up. UNLINK frees in another thread, but a
-- busy server shares its cores with that. Large hashes are renamed and put on the list of deletions,
-- and the upkeep deletes them in pieces (delete.lua).
--@include base, pieces, lanes, timers

-- Milliseconds that large hashes outlive their job. When the upkeep has not deleted them by then, the
-- server frees them at once.
local SPARE = 3600000

-- Expectations that a script takes out of what all jobs share itself, with their job.
local FEW_EXPECTED = 100

-- What only a job that can go on needs: hashes, the children's last, and lists. job: nil when its row is
-- gone, and its lists with it.
local function work_of(id, job)
  local lists = { k_parked(id), k_late(id) }
  if not job or job.extras then lists[3] = k_undoing(id) end
  if job and job.queues > 1 then
    local lanes = lanes_of(job)
    for _, lane in ipairs(lanes.all()) do lists[#lists + 1] = lanes.parked_list(lane) end
  end
  local hashes = { k_invocations(id), k_claims(id), k_merges(id), k_outstanding(id), k_joins(id),
    k_collected(id), k_child_failures(id), k_lanes(id), k_breakpoints(id), k_put_off(id) }
  if not job or job.extras then
    hashes[#hashes + 1] = k_expectations(id)
    hashes[#hashes + 1] = k_early_answers(id)
  end
  if not job or job.uses then hashes[#hashes + 1] = k_limited(id) end
  hashes[#hashes + 1] = k_children(id)
  return hashes, lists
end

-- What of a job all jobs share goes with it: timers of invocations and of open joins, and expectations. name: a hash of either,
-- without its root, else nothing is done; key: where the hash is; fields: some of it.
local function clear_timers_of(name, key, fields)
  local id, kind = string.match(name, '^j:(.+):([ik])$')
  if not id then id, kind = string.match(name, '^j:(.+):(expects)$') end
  if not id or not fields[1] then return end
  if kind == 'i' then return clear_timers(id, 'invocation', fields) end
  if kind == 'expects' then
    --@include expectations
    return unlist_expectations(id, fields, call('HMGET', key, unpack(fields)))
  end
  local abouts = {}
  for i, state in ipairs(call('HMGET', key, unpack(fields))) do
    abouts[i] = (string.match(state, '^%d+') or '') .. ' ' .. fields[i]
  end
  clear_timers(id, 'join', abouts)
end

-- Renames a key, which then goes by its name without the root, and leaves it to the upkeep.
local function delete_later(key)
  local name = string.sub(key, #P + 1)
  call('RENAME', key, k_deleted(name))
  call('RPUSH', k_deletions(), name)
end

-- Deletes hashes, large ones later. spare_children: the last hash is that of child jobs, and stays if
-- they are many: each is looked at first.
local function delete_hashes(keys, spare_children)
  if spare_children and call('HLEN', keys[#keys]) > FEW then table.remove(keys) end
  local small = {}
  for _, key in ipairs(keys) do
    local name = string.sub(key, #P + 1)
    if call('HLEN', key) > (string.match(name, ':expects$') and FEW_EXPECTED or FEW) then
      delete_later(key)
    else
      if string.match(name, ':[ik]$') or string.match(name, ':expects$') then clear_timers_of(name, key, call('HKEYS', key)) end
      small[#small + 1] = key
    end
  end
  if small[1] then call('UNLINK', unpack(small)) end
end

local function delete_sorted_set(key)
  if call('ZCARD', key) > FEW then delete_later(key) else call('UNLINK', key) end
end

-- Deletes what is no hash: indexes of open collections and of what has stopped, and segments, each a key of
-- its own.
local function delete_indexes(id)
  for _, key in ipairs({ k_segments(id), k_output_segments(id) }) do
    if call('EXISTS', key) == 1 then delete_later(key) end
  end
  delete_sorted_set(k_opened(id))
  delete_sorted_set(k_stopped(id))
end
