-- Section `outputs` of the commit. How many; then the record of each.
--@include outputs

-- Returns the place behind the section.
local function commit_outputs(job, arguments, at)
  local last = at + arguments[at]
  add_outputs(job, arguments, at + 1, last)
  return last + 1
end
