-- Between these two, pushes are gathered and made with a few commands: for scripts that push many.
--@include base, state, push
local function batch_pushes()
  unpushed = {}
end

local function flush_pushes()
  for list, pushes in pairs(unpushed) do
    local number = call('HINCRBY', k_sequences(), list, #pushes) - #pushes
    for start = 1, #pushes, 500 do
      local messages, scores = {}, {}
      for i = start, math.min(start + 499, #pushes) do
        local template, job, invocation = unpack(pushes[i])
        messages[#messages + 1] = message_of(template, job, invocation, number + i)
        scores[#scores + 1] = number + i
        scores[#scores + 1] = job.id .. '/' .. invocation
      end
      call('ZADD', k_unclaimed(list), unpack(scores))
      -- As in push.
      redis.pcall('LPUSH', list, unpack(messages))
    end
  end
  unpushed = nil
end
