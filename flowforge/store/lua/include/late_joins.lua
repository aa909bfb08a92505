-- Joins and expectations whose time was over while their job could not go on, or made it fail.
--@include base, stay_with, timers, join_rules, join

-- How many come back at once: with one expectation do all that are expected in place of it.
local BACK = 25

-- about: 'number field' of a collection, or 'expect number' of an expectation.
local function keep_late(job, about)
  call('RPUSH', k_late(job.id), about)
  stay_with(job, k_late(job.id))
end

-- What is late and still open gets its whole time again: the deliveries that would fill a join may be parked
-- with the job. Many come back in pieces, by the upkeep.
local function bring_back_late(job, now)
  local late = call('LPOP', k_late(job.id), BACK)
  if not late then return end
  for _, about in ipairs(late) do
    local number, field = string.match(about, '^(%d+) (.*)$')
    if field and string.match(call('HGET', k_joins(job.id), field) or '', '^%d+') == number then
      local timeout = rule_of(job, (split_field(field))).timeout
      set_timer(now + timeout, job.id, 'join', about)
    elseif not field then
      --@include expectations
      local expectation = expectation_of(job, string.match(about, '%d+$'))
      if expectation then set_expectation_end(job, expectation, now + expectation.within) end
    end
  end
  if #late == BACK then set_timer(now, job.id, 'late') end
end
