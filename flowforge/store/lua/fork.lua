-- Creates a job that starts with copies of deliveries of another one.
-- In:  as submit from definition hash to schedule, with routine and slot of the first delivery; then
--      origin, id, labels (lines name=value, or ''), packed details for the history of the origin, those for
--      its own, then routine, slot, mode, record, packed edit ('': none) of each delivery
-- Out: 'ok' | 'gone' (the origin is) | 'newer' (a later release's job) | 'undefined' (its definition is gone)
--@include base, stay_with, job_row, push, deliver, history, create, job_totals
local arguments, origin_id, id, labels, told, own = ARGV, ARGV[16], ARGV[17], ARGV[18], ARGV[19], ARGV[20]

-- Forks that the row of the origin names.
local NAMED = 10

if call('EXISTS', k_job(id)) == 1 then return 'ok' end
local origin = load_job(origin_id)
if not origin then return 'gone' end
if origin.newer then return 'newer' end
local about = read_about(arguments, 2)
if call('HEXISTS', k_definition(about.def), 'json') == 0 then return 'undefined' end
for i = 21, #arguments, 5 do route(about, arguments[i], arguments[i + 1]) end

complete_about(about)
call('HINCRBY', k_definition(about.def), 'active', 1)
call('PERSIST', k_definition(about.def))
local now, job = now_ms(), nil
-- One that begins while another job has the key of its origin waits for its turn: what holds it then.
local holds
if origin.extras then
  --@include single
  local key = call('HGET', k_job(origin_id), 'single')
  if key then
    local holder = holder_of(key)
    take_place(key, id)
    about.extras, about.single, about.held = true, key, holder
    holds = holder and function() hold(job, key, holder, now) end
  end
end
-- It counts where its origin does at the limits of the flow, and begins when all is delivered.
local limits = about.gated and call('HGET', k_job(origin_id), 'limits')
about.gate_later = true
for i = 21, #arguments, 5 do
  local r, s, mode, record, edit = unpack(arguments, i, i + 4)
  if limits and not job then mode = 'F' .. #limits .. ' ' .. limits .. mode end
  if job then
    deliver(job, r, s, mode, record)
  else
    create_job(about, id, mode, record, '', labels, 'large', nil, now)
    job = load_job(id)
    add_to_total(about.flow, 'created', 1, now)
    call('HSET', k_job(id), 'forked_from', origin_id)
    remember(job, 'forked_from', '', own)
    if holds then holds() end
  end
  if edit ~= '' then
    local invocation = string.format('%d.%s.%s', job.last, r, s)
    --@include limits/mode
    local _, plain = split_limits(mode)
    if plain == 'm' then invocation = invocation .. '.' .. call('HGET', k_merges(id), r .. '.' .. s) end
    remember(job, 'edited', invocation, edit)
  end
end
save_job(job, now)
if job.gated then
  --@include gate
  pass_gate(job, now)
end

local forks = { id }
for fork in string.gmatch(call('HGET', k_job(origin_id), 'forks') or '', '%S+') do
  if #forks < NAMED then forks[#forks + 1] = fork end
end
call('HSET', k_job(origin_id), 'forks', table.concat(forks, ' '))
remember(origin, 'forked', '', told)
stay_with(origin, k_history(origin_id))
return 'ok'
