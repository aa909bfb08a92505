-- The pause of a queue: a gate in the claim and in the push, at no cost for other queues. The unclaimed invocations of
-- its lists are moved aside as a whole, so that a claim does not find them; the push numbers of its lists are those
-- from PAUSED on, so that a push keeps its invocation aside too. Both stay `queued` in the rows of their jobs.
--@include base, push_numbers

local function number_of(list)
  return tonumber(call('HGET', k_sequences(), list) or 0)
end

-- Why an invocation is not there to be claimed: 'paused' when it is kept aside, else 'taken'; nil: it is there.
-- number: of its push, 0 where it is not known. A release that knows of no pause has pushed what has a number from
-- PAUSED on, so its message has travelled.
local function why_unclaimable(list, member, number)
  local paused = number_of(list) >= PAUSED
  if number >= PAUSED and call('ZREM', k_unclaimed(list), member) == 1 then
    if not paused then return nil end
    call('ZADD', k_paused_pushes(list), number - PAUSED, member)
    return 'paused'
  end
  local aside = paused
    and (call('ZSCORE', k_paused_unclaimed(list), member) or call('ZSCORE', k_paused_pushes(list), member))
  return aside and 'paused' or 'taken'
end
