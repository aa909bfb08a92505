-- The rules of joins, as definitions have them.
--@include base

-- 'definition/slot' -> the rule, as far as it was needed.
local join_rules = {}

-- kind: count, all (fires when no upstream routine has anything outstanding) or quiet (all on a cycle: fires
-- when nothing else is left). timeout: ms or 0. up: the upstream routines, as rows of indexes {first, last};
-- size: how many there are.
local function rule_of(job, slot)
  local place = job.def .. '/' .. slot
  local rule = join_rules[place]
  if not rule then
    local text = call('HGET', k_definition(job.def), 'j' .. slot) or ''
    local kind, timeout, otherwise, up = string.match(text, '^(%l+) (%d+) (%l+) (%S+)$')
    rule = { kind = kind or 'count', timeout = tonumber(timeout or 0), otherwise = otherwise,
      up = {}, size = 0 }
    for first, last in string.gmatch(up or '', '(%d+)%-?(%d*)') do
      first = tonumber(first)
      last = tonumber(last) or first
      rule.up[#rule.up + 1] = { first, last }
      rule.size = rule.size + last - first + 1
    end
    join_rules[place] = rule
  end
  return rule
end
