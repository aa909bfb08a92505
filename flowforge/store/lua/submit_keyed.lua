-- Creates jobs of one flow, each with its first invocation, where a key says that another job may stand for them.
-- All of them or none.
-- In:  as submit from definition hash to schedule; then calls and bytes that a job stands for at most, bytes of
--      params that are kept, jobs that wait for a key at most, number of jobs, then of each: id, mode, record,
--      idempotency key (or ''), labels, params to keep (as in submit), bytes of the params in the record,
--      debounce key (or ''), ms to wait, ms at most (or ''), keep (first, last, all), packed details for the
--      history, key of which one job runs at a time (or ''), when another does (skip, queue, replace), packed
--      details for the history of one that is replaced; then the definition as in submit
-- Out: {'ok', then id, how, calls of each} (how: created, key, debounce or single, by which an earlier job was found)
--      | {'definition'} (send it along) | {'full', place} (too many jobs wait for its key)
--      | {'newer', id} (a later release's job)
--@include base, shared, job_row, push, timers, history, cancel_job, create, single, debounce, met
local arguments = ARGV
local about, at = read_about(arguments, 2)
local limits = {
  calls = tonumber(arguments[at]), bytes = tonumber(arguments[at + 1]), kept = tonumber(arguments[at + 2]),
  waiting = tonumber(arguments[at + 3]),
}
local PARTS = { 'id', 'mode', 'record', 'idempotency', 'labels', 'params', 'size', 'debounce', 'wait', 'at_most',
  'keep', 'debounced', 'single', 'when', 'replaced' }
local number, first = tonumber(arguments[at + 4]), at + 5
local fields = first + #PARTS * number
local now = now_ms()

local function read_one(place)
  local one = {}
  for i, name in ipairs(PARTS) do one[name] = arguments[first + (place - 1) * #PARTS + i - 1] end
  one.size, one.wait = tonumber(one.size), tonumber(one.wait)
  return one
end

-- The job that the same call has created or found before, and how; nil: none.
local function known(one)
  if call('EXISTS', k_job(one.id)) == 1 then return one.id, 'created' end
  local may_find = one.debounce ~= '' or one.single ~= '' and one.when == 'skip'
  local how, found = string.match(may_find and answered_before(one.id) or '', '^(%a+) (.*)$')
  if found then return found, how end
  local before = one.idempotency ~= '' and call('GET', k_idempotency(one.idempotency))
  if before then return before, 'key' end
end

local ones, queued, creates = {}, {}, false
for place = 1, number do
  local one = read_one(place)
  ones[place] = one
  if not known(one) then
    local waits = one.debounce ~= '' and waiting_of(one.debounce)
    if waits and waits.newer then return { 'newer', waits.id } end
    local holder = one.single ~= '' and not waits and holder_of(one.single)
    if holder and holder.newer and one.when ~= 'skip' then return { 'newer', holder.id } end
    local next = holder and one.when == 'replace' and next_of(holder, one.single)
    if next and next.newer then return { 'newer', next.id } end
    creates = creates or not (holder and one.when == 'skip')
    if one.single ~= '' and not waits and one.when == 'queue' then
      -- The first place is no waiting.
      queued[one.single] = (queued[one.single] or shared('ZCARD', k_single(one.single))) + 1
      if queued[one.single] > limits.waiting + 1 then return { 'full', place - 1 } end
    end
  end
end
local sent = #arguments >= fields
if creates and not sent and not find_route(about, about.r, about.s)
    and call('HEXISTS', k_definition(about.def), 'json') == 0 then
  return { 'definition' }
end
if creates then
  if sent then store_definition(about.def, arguments, fields, #arguments) end
  -- An error when something else lies in place of the list, before there is anything of the jobs.
  call('LLEN', route(about, about.r, about.s).list .. about.suffix)
  complete_about(about)
end

-- How many jobs were created, and how many calls have found one by one of the two keys.
local counts = { created = 0, debounced = 0, skipped = 0 }

-- Creates a job. holder: the job that has its key, or nil.
local function create(one, holder)
  local record, params = one.record, one.params
  if one.debounce ~= '' and one.keep == 'all' then
    record = record_of_all(record, one.size)
    params = #record > limits.kept and 'large' or 'same'
  end
  -- What is undone is replaced when that has ended; one that was to replace it then is replaced now.
  local replaces, held = nil, holder
  if holder and one.when == 'replace' then
    held = is_undo(holder) and holder
    replaces = held and next_of(holder, one.single) or not held and holder
    if replaces then take_place_of(one.single, one.id, replaces.id) end
    if held and replaces then
      call('HSET', k_job(holder.id), 'next', one.id)
    elseif held then
      take_next_place(one.single, one.id)
    end
  elseif one.single ~= '' then
    take_place(one.single, one.id)
  end
  about.extras, about.held = true, held
  about.single = one.single ~= '' and one.single or nil
  call('HINCRBY', k_definition(about.def), 'active', 1)
  call('PERSIST', k_definition(about.def))
  create_job(about, one.id, one.mode, record, one.idempotency, one.labels, params, nil, now)
  counts.created = counts.created + 1
  local job = load_job(one.id)
  if about.held then hold(job, one.single, holder, now) end
  if replaces then
    cancel_job(replaces, '', 'replaced by job ' .. one.id, one.replaced, now)
    remember(job, 'replaced', '', replaces.id)
  end
  if one.debounce ~= '' then
    local last = one.at_most ~= '' and now + one.at_most or ''
    begin_waiting(one.debounce, job, string.format('1.%s.%s', about.r, about.s), job.due, last, one.keep,
      #one.record - 3 - one.size)
    remember(job, 'debounced', '', one.debounced)
  end
  -- Its entry may have been an item of a join that nothing can fill.
  --@include stay_with
  stay_with(job, k_history(one.id))
  return one.id, 'created'
end

local function submit(one)
  local found, how = known(one)
  if found then return found, how end
  local waits, waiting
  if one.debounce ~= '' then waits, waiting = waiting_of(one.debounce) end
  if waits then
    if take_call(one.debounce, waits, waiting, one, about.def, limits, now) then
      counts.debounced = counts.debounced + 1
      return waits.id, 'debounce'
    end
    -- It has all that it may have.
    clear_timers(waits.id, 'invocation', { waiting.invocation })
    call('HSET', k_job(waits.id), 'due', now)
    --@include due/invocation
    release_invocation(waits, waiting.invocation, now)
  end
  local holder = one.single ~= '' and holder_of(one.single)
  if holder and one.when == 'skip' then
    counts.skipped = counts.skipped + 1
    remember_answer(one.id, 'single ' .. holder.id)
    return holder.id, 'single'
  end
  return create(one, holder)
end

local answer = { 'ok' }
for _, one in ipairs(ones) do
  local found, how = submit(one)
  answer[#answer + 1], answer[#answer + 2] = found, how
  answer[#answer + 1] = tonumber(call('HGET', k_job(found), 'calls') or 1)
end
for what, count in pairs(counts) do
  if count > 0 then
    --@include job_totals
    add_to_total(about.flow, what, count, now)
  end
end
-- What no job needs goes again.
if counts.created == 0 and creates and sent and not call('HGET', k_definition(about.def), 'active') then
  call('UNLINK', k_definition(about.def))
end
return answer
