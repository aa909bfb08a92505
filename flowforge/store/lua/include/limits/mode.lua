-- The limits at which a delivery counts, within its mode: 'L<length> <keys, a line each><the mode without them>'.
local function split_limits(mode)
  local length, start = string.match(mode, '^L(%d+) ()')
  if not length then return nil, mode end
  return string.sub(mode, start, start + length - 1), string.sub(mode, start + length)
end
