-- All-joins fire when nothing above them is outstanding any more.
--@include base, timers, join_rules, join

-- Upstream routines whose counts one script looks at, but for those of the last slot.
local MOST_ABOVE = 4000

-- Fires the collections of all-joins above which nothing is outstanding any more. Each slot with open
-- ones waits at one upstream routine that has something outstanding, as 'slot:place ' in the field 'at<r>',
-- and is looked at when that comes to rest; or in 'look', to be looked at next time. r: the routine
-- that has come to rest, or nil.
local function fire_complete(job, now, r)
  if not job.joins then return end
  local outstanding, rested = k_outstanding(job.id), 'at' .. (r or '')
  local f = call('HMGET', outstanding, 'look', rested)
  -- A count of zero goes: the hash stays small, so that a search is quick however large the flow is.
  call('HDEL', outstanding, 'look', rested, r or '')
  local waits, moved, seen, fired = (f[1] or '') .. (f[2] or ''), { look = {} }, 0, 0
  if waits == '' then return end
  -- Staged emissions could still deliver anything, so they have to be released first.
  if job.staged > 0 then
    call('HSET', outstanding, 'look', waits)
    return
  end
  --@include join_blockers
  for slot, from in string.gmatch(waits, '(%S+):(%d+) ') do
    local to = 'look'
    if seen < MOST_ABOVE and fired < MOST_JOINS then
      local place, blocker, looked = blocker_of(job, rule_of(job, slot), tonumber(from))
      seen = seen + looked
      from, to = place or 0, blocker and 'at' .. blocker
      if not blocker then
        local room = MOST_JOINS - fired
        local done = each_open(job, { slot }, room, function(...) fire(job, ...) end)
        fired = fired + done
        if done == room then to = 'look' else call('HDEL', outstanding, 'waits' .. slot) end
      end
    end
    if to then
      moved[to] = moved[to] or {}
      table.insert(moved[to], slot .. ':' .. from .. ' ')
    end
  end
  if moved.look[1] then set_timer(now, job.id, 'more') end
  for to, slots in pairs(moved) do
    if slots[1] then
      local before = call('HGET', outstanding, to) or ''
      call('HSET', outstanding, to, before .. table.concat(slots))
    end
  end
end
