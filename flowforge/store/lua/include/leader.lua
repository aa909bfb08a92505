-- Who leads the upkeep, as its key has it: the layout of rows that the leader knows, and its name. A leader of a
-- release before layout 2 has its name alone there.
--@include job_row

local function leader_named(candidate)
  return LAYOUT .. '/' .. candidate
end

-- Whether it leaves rows alone that this release knows: their timers and leases would wait for its end.
local function knows_less(leader)
  return (tonumber(string.match(leader, '^(%d+)/')) or 1) < LAYOUT
end
