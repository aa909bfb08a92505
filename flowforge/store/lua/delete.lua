-- Deletes a piece of what waits for its deletion.
-- In:  most, the number of fields
-- Out: 1, or 0 when nothing waits
--@include base, damaged, deletions
local most = tonumber(ARGV[2])

-- Segments deleted at once; each is a list of up to 200 records. Expectations deleted at once: all jobs share much of
-- what is kept of them.
local SEGMENTS, EXPECTATIONS = 50, 100

local entry = call('LINDEX', k_deletions(), 0)
if not entry then return 0 end

local function delete_piece()
  -- Items of a collection (by its number) or of a slot's log (by r.s), or else a key: a hash, a list
  -- of segments, a sorted set.
  local id, name, first, last = string.match(entry, '^(%S+) ([%d.]+) (%d+) (%d+)$')
  local key, fields, more = k_deleted(entry), {}, true
  if id then
    key = string.find(name, '.', 1, true) and k_merges(id) or k_collected(id)
    first, last = tonumber(first), tonumber(last)
    for i = first, math.min(last, first + most - 1) do fields[#fields + 1] = name .. '.' .. i end
    more = last >= first + most
  else
    local kind = call('TYPE', key).ok
    if kind == 'list' then
      for _, segment in ipairs(call('LPOP', key, SEGMENTS)) do call('UNLINK', k_segment(segment)) end
    elseif kind == 'zset' then
      call('ZREMRANGEBYRANK', key, 0, most - 1)
    elseif kind == 'hash' then
      if string.match(entry, ':expects$') then most = math.min(most, EXPECTATIONS) end
      fields = call('HRANDFIELD', key, most) or {}
      clear_timers_of(entry, key, fields)
    elseif kind ~= 'none' then
      error('a ' .. kind .. ' is among the deletions')
    end
  end
  if fields[1] then call('HDEL', key, unpack(fields)) end
  if not more or call('EXISTS', key) == 0 then
    call('LPOP', k_deletions())
  elseif id then
    call('LSET', k_deletions(), 0, string.format('%s %s %d %d', id, name, first + most, last))
  end
end

local done, why = pcall(delete_piece)
if not done then
  record_damaged('deletions', entry, type(why) == 'table' and why.err or tostring(why))
  call('LPOP', k_deletions())
  call('UNLINK', k_deleted(entry))
end
return 1
