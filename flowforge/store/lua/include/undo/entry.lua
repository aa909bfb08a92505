-- An entry of an undo log, and the compensation that is made of it.
--@include base, push

-- Takes an entry apart: routine, slot and record.
local function undo_entry(entry)
  local place = string.match(entry, '^%S+')
  local r, s = string.match(place, '^(%d+)%.(%d+)$')
  return r, s, string.sub(entry, #place + 2)
end

-- Makes the invocation that compensates one: what its slot does with other deliveries is nothing for it.
local function create_compensation(job, r, s, record)
  job.last = job.last + 1
  local invocation = string.format('%d.%s.%s', job.last, r, s)
  call('HSET', k_invocations(job.id), invocation, record)
  enqueue(job, invocation)
end
