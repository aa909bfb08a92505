-- Places that are kept for what waits at another key, whose turn has come here in vain.
--@include base, members, shared

-- What waits elsewhere while a place of a key is kept for it: {number, member, where it waits}, or nil.
local function promise_at(at)
  if at.promise == nil then at.promise = shared('HGET', k_limit_promises(), at.key) end
  local number, member, where = string.match(at.promise or '', '^(%d+) (%S+) (.*)$')
  return number and { number = tonumber(number), member = member, at = where }
end

local function drop_promise(at)
  shared('HDEL', k_limit_promises(), at.key)
  at.promise = false
end

-- Nothing is kept for it any more, where something was.
local function drop_promise_to(at, member)
  local kept = promise_at(at)
  if kept and kept.member == member then drop_promise(at) end
end

-- How many places of a key are kept for what came earlier: one at most. number: of who asks, nil: it comes now.
local function kept_before(at, number)
  local promise = promise_at(at)
  if not promise or number and number <= promise.number then return 0 end
  local id = parts_of(promise.member)
  local status = shared('ZSCORE', k_limit_waiters(promise.at), promise.member) and call('HGET', k_job(id), 'status')
  if status == 'running' or status == 'pending' then return 1 end
  drop_promise(at)
  return 0
end

-- Keeps the next place of a key for what has waited longest of all for which one is kept. where: it waits.
local function promise(at, number, member, where)
  local former = promise_at(at)
  if former and former.number < number then return end
  at.promise = string.format('%d %s %s', number, member, where)
  shared('HSET', k_limit_promises(), at.key, at.promise)
end
