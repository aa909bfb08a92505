-- Removing what may be large without holding the server up. UNLINK frees in another thread, but a
-- busy server shares its cores with that. Large hashes wait in the trash, out of everybody's way,
-- and the upkeep takes them away in pieces (dispose.lua).

-- Fields that a script removes itself.
local FEW = 500

-- Milliseconds that large hashes outlive their job, if nobody throws them away as they should: then
-- the server frees them at once.
local SPARE = 3600000

-- What only a job that can go on needs: hashes, the children's last, and lists.
local function work_of(id)
  return { k_invocations(id), k_attempts(id), k_merges(id), k_outstanding(id), k_joins(id),
    k_collected(id), k_children(id) }, { k_backlog(id), k_segments(id), k_late(id) }
end

-- Removes hashes. A large one is called in the trash what it was called without its root.
local function throw_away(keys)
  local small = {}
  for _, key in ipairs(keys) do
    if call('HLEN', key) > FEW then
      local name = string.sub(key, #P + 1)
      call('RENAME', key, k_thrown_away(name))
      call('RPUSH', k_trash(), name)
    else
      small[#small + 1] = key
    end
  end
  if small[1] then call('UNLINK', unpack(small)) end
end

-- Removes the hashes of what a job could still have done. Many children stay: they are to be told of
-- the end first (look_at_some_children).
local function throw_work_away(id)
  local hashes = work_of(id)
  if call('HLEN', k_children(id)) > FEW then table.remove(hashes) end
  throw_away(hashes)
end

-- The items 1 to count of a collection, which stay in the hash that they share with others.
local function throw_items_away(id, number, count)
  if count > FEW then
    call('RPUSH', k_trash(), string.format('%s %s 1 %d', id, number, count))
  elseif count > 0 then
    local items = {}
    for i = 1, count do items[i] = number .. '.' .. i end
    call('HDEL', k_collected(id), unpack(items))
  end
end
