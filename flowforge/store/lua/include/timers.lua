-- Timers: what is to be done with a job at a later time. They are members of one sorted set, scored with
-- the milliseconds at which they are due: 'id/kind' or 'id/kind/about', or 'id/invocation' for the kind
-- of that name. The upkeep takes those that are due and does what their kind does (due.lua). timer_kinds.lua has
-- the kinds.
--@include base

-- In place of a job, for timers of limits.
local LIMITS = 'limits'

local function timer_of(id, kind, about)
  if kind == 'invocation' then return id .. '/' .. about end
  return about and id .. '/' .. kind .. '/' .. about or id .. '/' .. kind
end

-- about: nil for kinds that are about the job alone.
local function set_timer(at, id, kind, about)
  call('ZADD', k_timers(), at, timer_of(id, kind, about))
end

-- Clears the timers of one kind, each about one of the list, which is not empty; nil: of a kind that is about the
-- job alone. Returns how many there were.
local function clear_timers(id, kind, abouts)
  if not abouts then return call('ZREM', k_timers(), timer_of(id, kind)) end
  local members = {}
  for i, about in ipairs(abouts) do members[i] = timer_of(id, kind, about) end
  return call('ZREM', k_timers(), unpack(members))
end
