-- From now on workers claim nothing of a queue, and nothing is pushed to its broker lists.
-- In:  queue, packed details ('': a paused queue stays so), then its broker lists
-- Out: {'ok' | 'paused' (it was before; nothing is changed), 1 if there is more to put aside: call again, else 0}
--@include base, push_numbers, queue_pause, full
local queue, details, arguments = ARGV[2], ARGV[3], ARGV

-- Unclaimed invocations that are put aside one by one, only where a resume was not finished before.
local AT_ONCE = 500

local function put_list_aside(list, now)
  call('HDEL', k_queue_pauses(), 'h' .. list)
  local number = number_of(list)
  if number < PAUSED then
    call('HSET', k_sequences(), list, string.format('%d', PAUSED + math.max(number, now * PER_MS)))
  end
  local from, to = k_unclaimed(list), k_paused_unclaimed(list)
  if call('EXISTS', from) == 0 then return true end
  if call('EXISTS', to) == 0 then
    call('RENAME', from, to)
    return true
  end
  local some = call('ZRANGE', from, 0, AT_ONCE - 1, 'WITHSCORES')
  for i = 1, #some, 2 do
    call('ZADD', to, some[i + 1], some[i])
    call('ZREM', from, some[i])
  end
  return #some < 2 * AT_ONCE
end

write_though_full()
local before = call('HGET', k_queue_pauses(), 'p' .. queue)
if details == '' and (not before or call('HEXISTS', k_queue_pauses(), 'r' .. queue) == 1) then return { 'paused', 0 } end
local same = before and string.match(before, '^%d+ (.*)$') == details
local resuming = call('HDEL', k_queue_pauses(), 'r' .. queue) == 1
local answer = (not before or same or resuming) and 'ok' or 'paused'
if answer == 'ok' and not same then
  call('HSET', k_queue_pauses(), 'p' .. queue, string.format('%d ', now_ms()) .. details)
end
local all = true
for i = 4, #arguments do all = put_list_aside(arguments[i], now_ms()) and all end
return { answer, all and 0 or 1 }
