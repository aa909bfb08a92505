-- Section `expected` of the commit: answers that the job waits for from now on. How many; then of each slot index,
-- key, ms until its time is over (0: never), ms between reminders (0: none), the place in the section of the
-- first of those of which one is answered, and of the last, 1 if one of them has something that is delivered when
-- the time is over, record of what is delivered when its time is over ('':
-- the job fails), mode of that, assignees (tabs between them), hash of the form, the form as JSON ('': none, or
-- one before it has the same), hash of the link's token, routine id, place for people,
-- packed details for the history, packed context of the trace that the answer continues ('': none).
--@include base

-- Returns the section, and the place behind it.
local function read_expected(arguments, at)
  local EACH = 17
  local number = tonumber(arguments[at])
  --@include timers, layout, history, expectations, early_answers, shared
  local expected = {}

  local function item(i)
    return unpack(arguments, at + 1 + EACH * (i - 1), at + EACH * i)
  end

  local function field_of(invocation, slot, key)
    return string.format('%s.%s/%s', (routine_of(invocation)), slot, key)
  end

  -- The first that the job expects already; nil when the job has ended or the lease is gone, which decide then.
  function expected.is_open_already(job, invocation, token)
    local lease = job.id .. '/' .. invocation .. '/' .. token
    if not job.extras or ENDED[job.status] or not call('ZSCORE', k_leases(), lease) then return nil end
    for i = 1, number do
      local field = field_of(invocation, item(i))
      if string.sub(call('HGET', k_answers(job.id), field) or '', 1, 1) == 'o' then return field end
    end
    return nil
  end

  -- Writes all of the section with few commands. Returns the fields.
  local function open_all(job, invocation, now)
    local id, before, r, emitter = job.id, job.last, routine_of(invocation), string.match(invocation, '^%d+')
    local fields, records, texts, answers, listed, by_name = {}, {}, {}, {}, {}, {}
    local function add(list, ...)
      for _, value in ipairs({ ... }) do list[#list + 1] = value end
    end
    local hooks = call('EXISTS', k_hooks()) == 1
    for i = 1, number do fields[i] = field_of(invocation, item(i)) end
    local states = call('HMGET', k_answers(id), unpack(fields))
    for i = 1, number do
      local slot, key, within, remind, first, last, otherwise, record, mode, assigned, form, json, token, routine,
        place, details, trace = item(i)
      job.last = job.last + 1
      local opened, member = string.format('%d.%s.%s', job.last, r, slot), string.format('%s/%d', id, job.last)
      local field = fields[i]
      add(records, opened, string.format('E%d ', #trace) .. trace .. record)
      add(texts, job.last, table.concat({
        string.format('%d %d %s %s %d %d %s %s', now, within == '0' and 0 or now + within, within, remind,
          before + first, before + last, emitter, otherwise),
        field, assigned, form, token, routine, place, mode }, '\n'))
      -- The answer before may be sent again, and is then none to this question.
      local number_before, request = string.match(states[i] or '', '^a (%d+) %d+ (%S+)')
      add(answers, field, string.format('o %d', job.last) .. (request and ' ' .. number_before .. ' ' .. request or ''))
      if token ~= '' then add(answers, 't' .. token, string.format('o %d', job.last)) end
      if json ~= '' then add(answers, 'f' .. form, json) end
      add(listed, now, member)
      for name in string.gmatch(assigned, '[^\t]+') do
        by_name[name] = by_name[name] or {}
        add(by_name[name], now, member)
      end
      if within ~= '0' then set_timer(now + within, id, 'expect', job.last) end
      if remind ~= '0' then set_timer(now + remind, id, 'remind', job.last) end
      remember(job, 'expects', opened, details)
      if hooks then tell_of_expectation('expects', job, opened, routine, place, now) end
    end
    call('HSET', k_invocations(id), unpack(records))
    if job.joins then call('HINCRBY', k_outstanding(id), r, number) end
    call('HSET', k_expectations(id), unpack(texts))
    call('HINCRBY', k_job(id), 'expected', number)
    call('HSET', k_answers(id), unpack(answers))
    shared('ZADD', k_open_expectations(), unpack(listed))
    for name, own in pairs(by_name) do
      shared('HSET', k_assignees(), name, 1)
      shared('ZADD', k_assigned(name), unpack(own))
    end
    return fields
  end

  function expected.open(job, invocation, now)
    if not job.extras then
      job.extras = true
      save_layout(job)
    end
    local before = job.last
    local fields = open_all(job, invocation, now)
    -- In their order: the first that was answered early takes the others of its group away.
    for _, i in ipairs(answered_early(job, fields)) do take_early(job, before + i, fields[i], now) end
  end

  return expected, at + 1 + EACH * number
end
