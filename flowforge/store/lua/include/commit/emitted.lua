-- Section `emitted` of the commit: the invocations to create. How many; then r, s, mode, record of each.
--@include push, deliver

-- Checks that each can be sent, before anything is written; returns the place behind the section.
local function check_emitted(job, arguments, at)
  local behind = at + 1 + 4 * arguments[at]
  for i = at + 1, behind - 1, 4 do route(job, arguments[i], arguments[i + 1]) end
  return behind
end

local function create_emitted(job, arguments, at)
  for i = at + 1, at + 4 * arguments[at], 4 do
    deliver(job, arguments[i], arguments[i + 1], arguments[i + 2], arguments[i + 3])
  end
end
