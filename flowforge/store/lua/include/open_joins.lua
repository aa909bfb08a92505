-- Joins that nothing can fill any more.
--@include base, join_rules, join

-- An open collection that is not going to be filled in time: fired or the end of the job, as the
-- join's definition says.
local function give_up(job, field, number, count, why, now)
  local slot, key = split_field(field)
  if rule_of(job, slot).otherwise == 'fire' then
    fire(job, field, number, count)
  else
    --@include fail_job
    fail_job(job, nil, 'join not filled', string.format('%s %d %s/%s', why, count, slot, key), now)
  end
end

-- Nothing is left but open joins. Of those with no other above them, all-joins on cycles fire
-- first, which may start more; then what can never be filled is given up. True when the job goes on
-- or has failed.
local function resolve_open(job, now)
  --@include unfilled_joins
  local slots = open_slots(job)
  if not slots[1] then return false end
  local first, quiet = first_in_line(job, slots), {}
  for _, slot in ipairs(first) do
    if rule_of(job, slot).kind ~= 'count' then quiet[#quiet + 1] = slot end
  end
  if quiet[1] then
    each_open(job, quiet, MOST_JOINS, function(...) fire(job, ...) end)
  else
    each_open(job, first, MOST_JOINS, function(field, number, count)
      if not ENDED[job.status] then give_up(job, field, number, count, 'unfilled', now) end
    end)
  end
  return true
end
