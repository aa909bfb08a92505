-- Members of an index that make no sense, or whose job is damaged: another program's data, a server
-- that was repaired by hand. None must keep those behind it from their turn.
--@include base, state, full

-- Milliseconds until what failed is tried again, and for which it is remembered that there was any.
local PUT_OFF = 60000
local REMEMBERED = 7 * 86400000

-- Kinds of damage remembered, so that a flood does not fill the server.
local MOST_DAMAGED = 1000

local function forget_loaded()
  jobs = {}
end

local function record_damaged(index, member, why)
  write_though_full()
  local text = string.format('%s %s: %s', index, string.sub(member, 1, 200), why)
  if call('HLEN', k_damaged()) >= MOST_DAMAGED then text = 'others' end
  call('HINCRBY', k_damaged(), text, 1)
  call('PEXPIRE', k_damaged(), REMEMBERED)
end

-- Calls handle(member). A member that it fails at is put off, by its score.
local function handle_member(index, key, member, later, handle)
  local done, why = pcall(handle, member)
  if done then return end
  -- Half a transition must not be taken for a whole one by those that follow.
  forget_loaded()
  record_damaged(index, member, type(why) == 'table' and why.err or tostring(why))
  call('ZADD', key, later, member)
end
