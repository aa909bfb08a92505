-- Creates jobs of one flow, each with its first invocation: all of them or none.
-- In:  definition hash, flow id, routine, slot, priority, list suffix, max_in_flight,
--      retention ms, history limit, output limit, entry text, deadlines, fair key ('weight key', or ''), time and
--      schedule that it is for (or ''),
--      number of jobs, then id, mode, record,
--      idempotency key (or ''), labels (lines name=value, or '') and params to keep ('none', 'large', 'same':
--      the record, or another record) each, then the definition as field, value, ... or nothing when the
--      store is believed to have it
-- Out: {'ok', id of each job or of the earlier one with its key} | {'definition'} (send it along)
--@include base, push, create, job_totals
local arguments = ARGV
local about, at = read_about(arguments, 2)
local def, number, first = about.def, tonumber(arguments[at]), at + 1
local fields = first + 6 * number
local now = now_ms()

-- known: place in the arguments -> id of the job that is there already: the one with the key, stored or
-- earlier in this call, or the job itself, when a reply was lost and the same jobs are sent again.
-- They were created as a whole, so the first one without a key stands for all without.
local answer, known, keys, again, created = { 'ok' }, {}, {}, nil, 0
for i = first, fields - 1, 6 do
  local id, idempotency = arguments[i], arguments[i + 3]
  if idempotency ~= '' then
    known[i] = keys[idempotency] or call('GET', k_idempotency(idempotency))
    keys[idempotency] = known[i] or id
  else
    if again == nil then again = call('EXISTS', k_job(id)) == 1 end
    known[i] = again and id
  end
  answer[2 + (i - first) / 6] = known[i] or id
  if not known[i] then created = created + 1 end
end
if created == 0 then return answer end

if #arguments >= fields then
  store_definition(def, arguments, fields, #arguments)
elseif not find_route(about, about.r, about.s) and call('HEXISTS', k_definition(def), 'json') == 0 then
  return { 'definition' }
end
-- An error when something else lies in place of the list, before there is anything of the jobs.
call('LLEN', route(about, about.r, about.s).list .. about.suffix)
complete_about(about)
call('HINCRBY', k_definition(def), 'active', created)
call('PERSIST', k_definition(def))
local batch
if created > 1 and not about.joins and not about.gated then
  --@include create_batch
  batch = new_batch()
end
for i = first, fields - 1, 6 do
  if not known[i] then
    local id, mode, record, idempotency, labels, params = unpack(arguments, i, i + 5)
    create_job(about, id, mode, record, idempotency, labels, params, nil, now, batch)
  end
end
if batch then batch.flush() end
add_to_total(about.flow, 'created', created, now)
return answer
