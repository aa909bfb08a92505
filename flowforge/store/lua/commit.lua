-- Accepts what an invocation did: its end, its emissions, its outputs, its stats; exactly once.
-- In:  id, invocation, token, outcome (completed, error_continued, skipped), micros, packed details,
--      number of children, then r, s, mode, record each;
--      number of routines with staged children, then routine (-1: outputs), how many each;
--      number of outputs, then a record each;
--      number of stat changes, then op (add, number, set, reset), field, value each;
--      number of slot resets, then r.s, k (-1: all so far) each; or '', k: items of a join done;
--      number of jobs to start, then what submit takes of each (from definition hash to entry
--      text), id, mode, record, record of the invocation that waits for it, number of definition
--      fields and values, and these;
--      to go on with the next message: token, lease ms, broker lists in order, else nothing
-- Out: {'ok' | 'done' (was committed before) | 'stale' (another claim is valid) | 'gone'
--      | 'dropped' (the job has ended) | 'newer' (a later release's job)
--      | 'incomplete' (what was staged is not all there: nothing is committed)}, and behind 'ok' what was
--      claimed next, if anything: id, invocation, record, claims, lost, definition hash
--@include base, job_row, push, deletions, child_jobs, join, history, deliver, finish, create, lease, staged, next_message, merging_log
local id, invocation, token, outcome = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local micros, details = tonumber(ARGV[6]), ARGV[7]
local at = 8
local function take()
  at = at + 1
  return ARGV[at - 1]
end

local job = load_job(id)
if not job then return { 'gone' } end
if job.newer then return { 'newer' } end
local now = now_ms()
local children = tonumber(take())
local first_child = at
for _ = 1, children do
  route(job, ARGV[at], ARGV[at + 1])
  at = at + 4
end
-- {routine, how many} each.
local staged = {}
for i = 1, tonumber(take()) do staged[i] = { take(), tonumber(take()) } end
local lists = staged[1] and lists_of(id, invocation, token, staged)
if lists and not lists.are_complete() then return { 'incomplete' } end
if not take_lease(id, invocation, token) then return { why_no_lease(id, invocation) } end

batch_saves()
job.running = job.running - 1
if ENDED[job.status] then
  drop_staged(id, invocation, token)
  discard(job, invocation, now)
  flush_saves()
  return { 'dropped' }
end
-- One that completes has seen its child complete, which is final.
if outcome ~= 'completed' and withdraw(job, invocation, micros, details, now) then
  drop_staged(id, invocation, token)
  flush_saves()
  return { 'ok' }
end
call('HDEL', k_invocations(id), invocation)
call('HDEL', k_attempts(id), invocation, 'l' .. invocation, 'u' .. invocation)
if waits_for_child(invocation) then call('HDEL', k_child_failures(id), invocation) end
count_attempt(job, invocation, outcome, outcome, micros, now)
if outcome ~= 'completed' then keep_error(job, invocation, details, now) end
remember(job, outcome, invocation, details)
for i = first_child, first_child + (children - 1) * 4, 4 do
  deliver(job, ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3])
end

local outputs = {}
for i = 1, tonumber(take()) do outputs[i] = take() end
add_outputs(job, outputs)

for _ = 1, tonumber(take()) do
  local op, field, value = take(), take(), take()
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

for _ = 1, tonumber(take()) do
  local slot, k = take(), tonumber(take())
  if slot == '' then
    delete_items(k_collected(id), id, string.match(invocation, '^%d+'), 1, k)
  else
    log_of(id, slot).consume(k)
  end
end
local merging, position = string.match(invocation, '^%d+%.(%d+%.%d+)%.(%d+)$')
if merging then log_of(id, merging).release_epoch(position) end

if lists then
  lists.adopt(job)
elseif outcome ~= 'completed' then
  drop_staged(id, invocation, token)
end

local started = {}
for _ = 1, tonumber(take()) do
  local about
  about, at = read_about(at)
  local child, mode, record, waiter = take(), take(), take(), take()
  local fields = tonumber(take())
  store_definition(about.def, at, at + fields - 1)
  at = at + fields
  complete_about(about)
  if about.priority == '' then about.priority, about.suffix = job.priority, job.suffix end
  if about.max_in_flight == '' then about.max_in_flight = job.max_in_flight end
  call('HINCRBY', k_definition(about.def), 'active', 1)
  call('PERSIST', k_definition(about.def))
  local r = routine_of(invocation)
  job.last = job.last + 1
  local waits = string.format('%d.%s%s', job.last, r, WAITING_SLOT)
  call('HSET', k_invocations(id), waits, waiter)
  call('HSET', k_children(id), child, waits)
  if job.joins then call('HINCRBY', k_outstanding(id), r, 1) end
  started[#started + 1] = { about, child, mode, record, '', id .. '/' .. waits, now }
end

if job.joins and call('HINCRBY', k_outstanding(id), routine_of(invocation), -1) <= 0 then
  fire_complete(job, now, (routine_of(invocation)))
end
settle(job, now)
-- Behind the last change of this job: one that ends at once changes it again.
for _, arguments in ipairs(started) do create_job(unpack(arguments)) end
if at > #ARGV then
  flush_saves()
  return { 'ok' }
end
local next_token, lease = take(), tonumber(take())
-- The commit has been made: an error over another job's message must not undo its answer.
local _, found = pcall(claim_next, next_token, lease, at, now)
flush_saves()
return { 'ok', unpack(type(found) == 'table' and found or {}) }
