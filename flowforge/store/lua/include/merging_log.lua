-- The log of a merging slot, and what of it is still needed.
-- A reset consumes the log up to its base; what comes behind begins a new epoch, named after that base. A
-- delivery that has started keeps the epoch that it was shown first, so that its next attempt is shown the
-- same. Records go when their epoch is over and no delivery keeps it or an earlier one.
-- Fields behind 'r.s': base; f<k>: the epoch that delivery k keeps; p<epoch>: how many keep it;
-- c<epoch>: the next one; low: the oldest one whose records are there.
--@include base, pieces

-- Epochs whose records one script deletes; later resets and commits go on.
local MOST_EPOCHS = 100

-- What can be done to the log of a slot, r.s. Made when it is asked for: most scripts never do.
local function log_of(id, slot)
  local key, log = k_merges(id), {}

  -- Deletes the records of epochs that no delivery can be shown again.
  local function trim()
    local f = call('HMGET', key, slot .. '.low', slot .. '.base')
    local first, base = tonumber(f[1] or 0), tonumber(f[2] or 0)
    local low = first
    for _ = 1, MOST_EPOCHS do
      if low >= base or call('HEXISTS', key, slot .. '.p' .. low) == 1 then break end
      local over = slot .. '.c' .. low
      low = tonumber(call('HGET', key, over) or base)
      call('HDEL', key, over)
    end
    if low == first then return end
    call('HSET', key, slot .. '.low', low)
    delete_items(key, id, slot, first + 1, low)
  end

  -- Consumes the log up to k; -1: all of it.
  function log.consume(k)
    local f = call('HMGET', key, slot, slot .. '.base')
    local base = tonumber(f[2] or 0)
    if k < 0 then
      k = tonumber(f[1] or 0)
      call('HDEL', key, slot .. '.last')
    end
    if k <= base then return end
    call('HSET', key, slot .. '.base', k, slot .. '.c' .. base, k)
    trim()
  end

  -- The epoch that delivery k is shown, from its first attempt on.
  function log.keep_epoch(k)
    local kept = call('HGET', key, slot .. '.f' .. k)
    if kept then return tonumber(kept) end
    local base = tonumber(call('HGET', key, slot .. '.base') or 0)
    -- Consumed by a later delivery's reset: it is shown itself alone, whatever comes.
    if base >= k then return k - 1 end
    call('HSET', key, slot .. '.f' .. k, base)
    call('HINCRBY', key, slot .. '.p' .. base, 1)
    return base
  end

  -- Delivery k has been committed: there is no next attempt.
  function log.release_epoch(k)
    local kept = call('HGET', key, slot .. '.f' .. k)
    if not kept then return end
    call('HDEL', key, slot .. '.f' .. k)
    if call('HINCRBY', key, slot .. '.p' .. kept, -1) == 0 then
      call('HDEL', key, slot .. '.p' .. kept)
      trim()
    end
  end

  return log
end
