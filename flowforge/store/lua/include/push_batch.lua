-- Between these two, pushes are gathered and made with a few commands: for scripts that push many.
--@include base, state, push_numbers, push
local function batch_pushes()
  unpushed = {}
end

-- The texts around a template's holes: many messages are sooner joined from them than made by
-- string.format, which reads the template again for each.
local function texts_of(template)
  local texts, text = {}, ''
  for before, kind in string.gmatch(template .. '%s', '(.-)%%(.)') do
    text = text .. before
    if kind == '%' then
      text = text .. '%'
    else
      texts[#texts + 1], text = text, ''
    end
  end
  return texts
end

local function joined(t, a, b, c, d, e, f, g, h, i, j, k, l)
  return t[1] .. a .. t[2] .. b .. t[3] .. c .. t[4] .. d .. t[5] .. e .. t[6] .. f .. t[7] .. g .. t[8] .. h
    .. t[9] .. i .. t[10] .. j .. t[11] .. k .. t[12] .. l .. t[13]
end

local function flush_pushes()
  local texts = {}
  for list, pushes in pairs(unpushed) do
    local number = take_numbers(list, #pushes) - #pushes
    local paused = number >= PAUSED
    if paused then number = number - PAUSED end
    for start = 1, #pushes, 500 do
      local messages, scores = {}, {}
      for i = start, math.min(start + 499, #pushes) do
        local template, job, invocation = unpack(pushes[i])
        texts[template] = texts[template] or texts_of(template)
        -- Lua itself shows no more than fourteen digits of a number.
        local holes = texts[template]
        local at = i - start + 1
        messages[at] = joined(holes, holes_of(job, invocation, string.format('%d', number + i)))
        scores[2 * at - 1], scores[2 * at] = number + i, job.id .. '/' .. invocation
      end
      -- As in push.
      if paused then
        call('ZADD', k_paused_pushes(list), unpack(scores))
      else
        call('ZADD', k_unclaimed(list), unpack(scores))
        redis.pcall('LPUSH', list, unpack(messages))
      end
    end
  end
  unpushed = nil
end
