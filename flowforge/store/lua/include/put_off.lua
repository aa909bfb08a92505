-- Deliveries that are to be made later. Each is an invocation on a timer from the beginning, without any
-- claim. What its slot does with it is done when it is due: until then no other handler sees it.
--@include base, state, timers

-- mode: '+ms e:mode' for so many ms from now, '@ms e:mode' for a time; e: the routine that emits it, '' for
-- none. Returns the mode if the time has come, else nil: it is put off.
local function put_off(job, r, s, mode, record, counted)
  local sign, ms, kept, emitter, rest = string.match(mode, '^([+@])(%d+) ((%d*):(.*))$')
  local now = now_ms()
  local at = sign == '+' and now + ms or tonumber(ms)
  if at <= now then return rest end
  job.last = job.last + 1
  local invocation = string.format('%d.%s.%s', job.last, r, s)
  call('HSET', k_invocations(job.id), invocation, record)
  if rest ~= '' then
    call('HSET', k_put_off(job.id), invocation, kept)
    if not job.puts_off then
      --@include layout
      job.puts_off = true
      save_layout(job)
    end
  end
  if job.joins then
    -- An item is outstanding above its join, as if its emitter were not done: the join waits for it.
    local kind = string.sub(rest, 1, 1)
    if kind == 'L' then
      --@include limits/mode
      local _, behind = split_limits(rest)
      kind = string.sub(behind, 1, 1)
    end
    if kind == 'j' then
      if counted then call('HINCRBY', k_outstanding(job.id), r, -1) end
      r = emitter
      counted = r == ''
    end
    if not counted then call('HINCRBY', k_outstanding(job.id), r, 1) end
  end
  set_timer(at, job.id, 'invocation', invocation)
  job.timers = job.timers + 1
  job.due = at
  spent = spent + 0.5
  return nil
end
