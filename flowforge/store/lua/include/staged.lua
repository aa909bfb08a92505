-- What an attempt has staged, at its commit.
--@include base, deletions, deliver

-- staged: {routine, how many} each. Made when it is asked for: most commits have nothing staged.
local function lists_of(id, invocation, token, staged)
  local attempt, lists, children, outputs = id .. '/' .. invocation .. '/' .. token, {}, 0, 0
  for _, pair in ipairs(staged) do
    if pair[1] == AS_OUTPUTS then outputs = pair[2] else children = children + pair[2] end
  end

  -- Whether all of it is there; also when the lease is gone, which decides then.
  function lists.are_complete()
    if not call('ZSCORE', k_leases(), attempt) then return true end
    return call('LLEN', k_segment(attempt)) == children
      and call('LLEN', k_segment(attempt .. OUTPUTS)) == outputs
  end

  -- Makes it the job's.
  function lists.adopt(job)
    job.staged = job.staged + children + outputs
    if outputs > 0 then call('RPUSH', k_output_segments(id), attempt .. OUTPUTS) end
    if children > 0 then call('RPUSH', k_segments(id), attempt) end
    for _, pair in ipairs(job.joins and staged or {}) do
      if pair[1] ~= AS_OUTPUTS then call('HINCRBY', k_outstanding(id), pair[1], pair[2]) end
    end
  end

  return lists
end
