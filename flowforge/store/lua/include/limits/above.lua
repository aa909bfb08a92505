-- A job and those that it waits for have one place together at a key, or each would wait for the other.
--@include base, members, job_row, child_jobs

-- Those of the keys, a line each, at which no job above has a place; nil: none. parent: 'id/invocation' that waits.
local function keys_of_its_own(keys, parent)
  local taken, own, at = {}, {}, parent
  for _ = 1, DEEPEST do
    local job = at and load_job((parts_of(at)))
    if not job then break end
    for key in string.gmatch(job.gated and call('HGET', k_job(job.id), 'limits') or '', '[^\n]+') do
      taken[key] = true
    end
    at = job.parent
  end
  for key in string.gmatch(keys, '[^\n]+') do
    if not taken[key] then own[#own + 1] = key end
  end
  return own[1] and table.concat(own, '\n')
end
