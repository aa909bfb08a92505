-- What an attempt has staged, at its commit. staged: {routine, how many} each.
--@include base, deliver, trash

-- Whether the lists of the attempt hold all of it; also when the lease is gone, which decides then.
local function is_all_there(id, tag, token, staged)
  local attempt = id .. '/' .. tag .. '/' .. token
  if not call('ZSCORE', k_leases(), attempt) then return true end
  local children, outputs = 0, 0
  for _, pair in ipairs(staged) do
    if pair[1] == NOBODY then outputs = pair[2] else children = children + pair[2] end
  end
  return call('LLEN', k_segment(attempt)) == children
    and call('LLEN', k_segment(attempt .. OUTPUTS)) == outputs
end

-- Makes it the job's.
local function adopt_staged(job, tag, token, staged)
  local attempt, children = job.id .. '/' .. tag .. '/' .. token, false
  for _, pair in ipairs(staged) do
    job.staged = job.staged + pair[2]
    if pair[1] == NOBODY then
      call('RPUSH', k_output_segments(job.id), attempt .. OUTPUTS)
    else
      children = true
      if job.joins then call('HINCRBY', k_outstanding(job.id), pair[1], pair[2]) end
    end
  end
  if children then call('RPUSH', k_segments(job.id), attempt) end
end
