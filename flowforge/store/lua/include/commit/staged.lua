-- Section `staged` of the commit: what the attempt has staged. How many routines; then routine (-1:
-- outputs) and how many of each.
--@include base, outputs

-- What the attempt has staged, and the place behind the section.
local function staged_lists(attempt, arguments, at)
  local first, behind = at + 1, at + 1 + 2 * arguments[at]
  local lists, emitted, outputs = {}, 0, 0
  for i = first, behind - 1, 2 do
    local number = tonumber(arguments[i + 1])
    if arguments[i] == AS_OUTPUTS then outputs = number else emitted = emitted + number end
  end

  -- Whether all of it is there; also when the lease is gone, which decides then.
  function lists.are_complete()
    if not call('ZSCORE', k_leases(), attempt) then return true end
    return call('LLEN', k_segment(attempt)) == emitted
      and call('LLEN', k_segment(attempt .. OUTPUTS)) == outputs
  end

  -- Makes it the job's.
  function lists.adopt(job)
    job.staged = job.staged + emitted + outputs
    if outputs > 0 then call('RPUSH', k_output_segments(job.id), attempt .. OUTPUTS) end
    if emitted > 0 then call('RPUSH', k_segments(job.id), attempt) end
    if not job.joins then return end
    for i = first, behind - 1, 2 do
      if arguments[i] ~= AS_OUTPUTS then
        call('HINCRBY', k_outstanding(job.id), arguments[i], arguments[i + 1])
      end
    end
  end

  return lists, behind
end
