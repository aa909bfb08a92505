-- Creating many jobs of one flow. What all jobs share, indexes and broker lists, is written once for them.
--@include base, push_batch, new_row

-- does: call, or shared.
local function in_pieces(command, key, arguments, does)
  for i = 1, #arguments, 1000 do (does or call)(command, key, unpack(arguments, i, math.min(i + 999, #arguments))) end
end

-- What create_job takes as its batch, until batch.flush. Not for jobs with joins: they may end as they are
-- created, before they are in the indexes.
local function new_batch()
  -- As score, id, ... and id, entry, ...; members: label -> score, id, ...
  local pending, entries, members, flow = {}, {}, {}, nil
  local batch = { rows = {} }
  batch_pushes()

  function batch.index(about, id, labels, now)
    flow = about.flow
    local number = #pending
    pending[number + 1], pending[number + 2] = now, id
    entries[number + 1], entries[number + 2] = id, entry_of(about, labels)
    if labels == '' then return end
    for label in string.gmatch(labels, '[^\n]+') do
      local of_label = members[label] or {}
      members[label] = of_label
      of_label[#of_label + 1], of_label[#of_label + 2] = now, id
    end
  end

  function batch.flush()
    in_pieces('ZADD', k_status('pending'), pending)
    in_pieces('ZADD', k_flow(flow), pending)
    in_pieces('HSET', k_entries(), entries)
    if next(members) then
      --@include shared
      for label, of_label in pairs(members) do in_pieces('ZADD', k_label(label), of_label, shared) end
    end
    call('HINCRBY', k_flow_counts(), 'pending/' .. flow, #pending / 2)
    flush_pushes()
  end

  return batch
end
