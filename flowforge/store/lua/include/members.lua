-- What names invocations and attempts in lists and sorted sets.

-- Whether it has the form of an invocation.
local function is_invocation(text)
  return text ~= nil and string.match(text, '^%d+%.%d+%.%d+%.?%d*$') ~= nil
end

-- 'id/invocation' or 'id/invocation/token' -> its parts.
local function parts_of(member)
  local id, invocation, token = string.match(member, '^([^/]+)/([^/]+)/?(.*)$')
  return id, invocation, token
end
