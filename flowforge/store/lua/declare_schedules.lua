-- A worker says which schedules its code has. Of several contents of one schedule, that which appeared last is
-- the newest; what no worker has said for long appears again.
-- In:  ms after which a content that no worker has is gone, then name and mark of the content each
-- Out: for each: 'same' (it is stored) | 'send' (it is to be stored) | 'older' (a newer content is stored)
--      | 'made' (one that was not declared in code has the name)
--@include base
local kept, arguments = tonumber(ARGV[2]), ARGV
local now = now_ms()
local answers = {}

for i = 3, #arguments, 2 do
  local name, mark = arguments[i], arguments[i + 1]
  local f = call('HMGET', k_schedule(name), 'source', 'mark', 'seen ' .. mark)
  local seen = tonumber(f[3]) or 0
  local answer = 'send'
  if f[1] == 'api' then
    answer = 'made'
  elseif f[2] == mark then
    answer = 'same'
  elseif f[2] and seen + kept > now then
    local stored = tonumber(call('HGET', k_schedule(name), 'seen ' .. f[2])) or 0
    if stored + kept > now then answer = 'older' end
  end
  -- Many workers say so; one of them is enough.
  if (answer == 'same' or answer == 'older') and seen + kept / 8 < now then
    call('HSET', k_schedule(name), 'seen ' .. mark, now)
  end
  answers[#answers + 1] = answer
end
return answers
