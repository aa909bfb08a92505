-- The upkeep of a broker list with fair keys: counts again what is in the broker, and lets in what there is room for.
-- In:  broker list, how many of its messages may be in the broker ('': as before)
-- Out: 1 if there is more to look at, else 0
--@include base, shared, push, park, full, fair
local list, most = ARGV[2], ARGV[3]

-- Members that are counted, and that are looked at.
local COUNTED, AT_ONCE = 500, 100

write_though_full()
if most ~= '' then shared('HSET', k_fair_lists(), 'm' .. list, most) end
local entered = shared('ZRANGE', k_fair_entered(list), 0, COUNTED - 1)
if entered[1] then
  local there = {}
  for n, key in ipairs({ k_unclaimed(list), k_paused_unclaimed(list), k_paused_pushes(list) }) do
    there[n] = call('ZMSCORE', key, unpack(entered))
  end
  for i, member in ipairs(entered) do
    if not (there[1][i] or there[2][i] or there[3][i]) then shared('ZREM', k_fair_entered(list), member) end
  end
end
local order = fair_order({ route = find_route, message = message_of, park = park, count = count_message })
if order.hand_over(list, AT_ONCE) then return 1 end
if call('EXISTS', k_fair_turns(list), k_fair_entered(list)) == 0 then
  shared('HDEL', k_fair_lists(), 'm' .. list, 'v' .. list)
end
return 0
