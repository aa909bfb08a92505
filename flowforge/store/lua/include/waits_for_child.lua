-- Which invocations wait for a child job.
--@include base, child_jobs

local function waits_for_child(invocation)
  local _, s = routine_of(invocation)
  return s == CHILD_SLOT
end
