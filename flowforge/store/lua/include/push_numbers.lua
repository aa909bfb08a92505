-- The numbers of pushes: each push gets the next one of its list. What is unclaimed and older than the list's tail
-- has been popped.
--@include base

-- A push number is also the time of the push, so many to a millisecond: it never falls, whatever the clock does,
-- and lags behind the clock by LAG milliseconds at most.
local PER_MS, LAG = 100, 100

-- While a queue is paused, the numbers of its lists are higher by so much. So a push and a claim see the pause by a
-- number that they have anyway (queue_pause). It is exact in a double together with any time.
local PAUSED = 4e15

-- What a message of FlowForge has of its job and invocation, and at the end of its last 24 bytes its push number.
local MESSAGE, PUSH_NUMBER = '^{"body": "%[%[\\"([%w_-]+)\\", \\"(%d+%.%d+%.%d+%.?%d*)\\"%]', '%-(%d+)"}}$'

-- Takes the next `count` push numbers of a list, and returns the last of them.
local function take_numbers(list, count)
  local last, now = call('HINCRBY', k_sequences(), list, count), now_ms()
  if last - count + 1 < (now - LAG) * PER_MS then
    last = now * PER_MS + count - 1
    call('HSET', k_sequences(), list, string.format('%d', last))
  end
  return last
end
