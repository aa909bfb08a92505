-- The limits at which a delivery counts, within its mode: 'L<length> <keys, a line each><the mode without them>'.
local function split_limits(mode)
  local length, start = string.match(mode, '^L(%d+) ()')
  if not length then return nil, mode end
  return string.sub(mode, start, start + length - 1), string.sub(mode, start + length)
end

-- The field of the limits of a job that has the keys of its flow's limits: that of WHOLE_JOB.
local JOB_LIMITS = '0.0.0'

-- The keys of the limits of its flow at which a job counts, before the mode of its first delivery: 'F<length> <keys, a
-- line each><the mode>'.
local function split_job_limits(mode)
  local length, start = string.match(mode, '^F(%d+) ()')
  if not length then return nil, mode end
  return string.sub(mode, start, start + length - 1), string.sub(mode, start + length)
end
