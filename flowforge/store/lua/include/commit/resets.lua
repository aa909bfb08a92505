-- Section `resets` of the commit: what is consumed. How many; then of each r.s, k: the log of a merging slot
-- up to k (-1: all so far); or '', k: so many items of the join that the invocation has handled.
--@include base, pieces, merging_log

-- Returns the place behind the section.
local function consume(id, invocation, arguments, at)
  local behind = at + 1 + 2 * arguments[at]
  for i = at + 1, behind - 1, 2 do
    local slot, k = arguments[i], tonumber(arguments[i + 1])
    if slot == '' then
      delete_items(k_collected(id), id, string.match(invocation, '^%d+'), 1, k)
    else
      log_of(id, slot).consume(k)
    end
  end
  return behind
end
