-- Outputs of a job.
--@include base, state

-- Behind an attempt: the list of its staged outputs, which are apart from its staged emissions.
local OUTPUTS = '/o'

-- In place of a routine: staged emissions that are outputs of the job.
local AS_OUTPUTS = '-1'

-- Adds the outputs records[first], ..., records[last] as far as the job's limit allows; all are counted.
local function add_outputs(job, records, first, last)
  local number = last - first + 1
  if number == 0 then return end
  local count = call('HINCRBY', k_job(job.id), 'output_count', number)
  local room = job.output_limit - (count - number)
  spent = spent + 0.3 * number
  for i = first, math.min(last, first + room - 1) do call('RPUSH', k_outputs(job.id), records[i]) end
end
