-- The places of a job that has ended.
--@include base, shared, job_row, limits/step, limits/moved, limits/hand_on

-- Hands its places on. undoing: the job that undoes it, which has them until it has ended, or nil.
local function leave_job_places(job, undoing, now)
  local text, freed, kept = call('HGET', k_job(job.id), 'limits') or '', {}, {}
  for key in string.gmatch(text, '[^\n]+') do
    local at, member = at_key(key), '/' .. WHOLE_JOB .. '/'
    local since = shared('ZSCORE', at.places, job.id .. member)
    if since then
      if undoing then
        rename_place(at, job.id .. member, since, undoing .. member)
        kept[#kept + 1] = key
      else
        remove_places(at, job.id .. member)
        freed[#freed + 1] = at
      end
    end
  end
  if kept[1] then
    local other = load_job(undoing)
    other.uses, other.gated, other.at_limits = 'j', 1, 0
    call('HSET', k_job(undoing), 'uses', 'j', 'at_limits', 0, 'limits', table.concat(kept, '\n'))
    call('HSET', k_limited(undoing), WHOLE_JOB, table.concat(kept, '\n'))
  end
  for _, at in ipairs(freed) do hand_on(at, now) end
end
