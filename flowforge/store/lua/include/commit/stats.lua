-- Section `stats` of the commit: changes of the job's stats. How many; then op (add, number, set, reset),
-- field, value of each.
--@include base

-- A field is that of a number with n before it, of a packed value with v. Returns the place behind the
-- section.
local function change_stats(id, arguments, at)
  local behind = at + 1 + 3 * arguments[at]
  for i = at + 1, behind - 1, 3 do
    local op, field, value = arguments[i], arguments[i + 1], arguments[i + 2]
    if op == 'add' then
      call('HDEL', k_stats(id), 'v' .. field)
      -- A sum beyond the range of a double is left as it was; it must not break the commit.
      redis.pcall('HINCRBYFLOAT', k_stats(id), 'n' .. field, value)
    elseif op == 'number' then
      call('HDEL', k_stats(id), 'v' .. field)
      call('HSET', k_stats(id), 'n' .. field, value)
    elseif op == 'set' then
      call('HDEL', k_stats(id), 'n' .. field)
      call('HSET', k_stats(id), 'v' .. field, value)
    else
      for _, name in ipairs(call('HKEYS', k_stats(id))) do
        if string.sub(name, 2, #field + 1) == field then call('HDEL', k_stats(id), name) end
      end
    end
  end
  return behind
end
