-- Where on its broker list the message of an invocation goes that has waited for a place of a limit: behind what
-- came before it, or endless work at a limit would keep workers from all else on the list.
--@include base, push_numbers

-- Messages that are taken first, among which the place is looked for: behind so many it goes to the end.
local FRONT = 32

-- When the invocation of a message came, as a number of a push or of a limit; and the number of its push. nil: it is
-- no message of FlowForge.
local function came_at(item)
  local id, invocation = string.match(item, MESSAGE)
  local number = tonumber(string.match(string.sub(item, -24), PUSH_NUMBER))
  if not id or not number then return nil end
  local waited = redis.pcall('HGET', k_limited(id), 'n' .. invocation)
  return type(waited) == 'string' and tonumber(waited) or number, number
end

-- How many messages are taken before one that has waited since `since`, and the push number of the one behind it: with
-- the same, none is taken for one that has been popped. nil: it goes to the end.
local function turn_of(list, since)
  -- Most often it comes before all.
  local low, high, middle, its = 0, FRONT, 0, nil
  while low < high do
    local item = redis.pcall('LINDEX', list, -1 - middle)
    local came, number
    if type(item) == 'string' then came, number = came_at(item) end
    if came and came > since then
      high, its = middle, number
    elseif type(item) == 'string' then
      low = middle + 1
    else
      high = middle
    end
    middle = math.floor((low + high) / 2)
  end
  return its and low, its
end

-- Takes off the messages that are taken before it; with them the push number of the one behind. Who may not take
-- messages off a list pushes before all: it is the order alone that suffers.
local function take_earlier(list, depth, its)
  local taken = {}
  for i = 1, depth do
    local item = redis.pcall('RPOP', list)
    if type(item) ~= 'string' then
      local _, first = came_at(redis.pcall('LINDEX', list, -1))
      return taken, first
    end
    taken[i] = item
  end
  return taken, its
end
