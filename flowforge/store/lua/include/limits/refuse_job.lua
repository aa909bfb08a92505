-- What a limit is full for, and that is not to wait: a whole job.
--@include base, members, shared, job_row, timers, history, fail_job, cancel_job, held, limits/step, limits/wait, limits/whole_job

-- Jobs that one is put in place of, at most: one for each limit.
local MOST_REPLACED = 16

-- Cancels the job that has had its place at a key for longest; whether there was one.
local function replace_oldest(job, key, now)
  for _, member in ipairs(shared('ZRANGEBYSCORE', k_limit_places(key), '(0', '+inf', 'LIMIT', 0, MOST_REPLACED)) do
    local id, invocation = parts_of(member)
    local other = invocation == WHOLE_JOB and load_job(id)
    -- An undo is not cut short.
    if other and not other.newer and not ENDED[other.status] and call('HEXISTS', k_job(id), 'undoes') == 0 then
      remember(job, 'replaced', '', id)
      cancel_job(other, '', 'replaced by job ' .. job.id, '', now)
      return true
    end
  end
  return false
end

-- Ends a job that a limit has refused, or another one in its place.
local function refuse_job(job, now)
  for _ = 1, MOST_REPLACED do
    local refused = job.refused
    job.refused = nil
    if not refused then return end
    clear_timers(job.id, 'look')
    if refused.policy == 'drop' then
      remember(job, 'dropped_at_limit', '', refused.key)
      return cancel_job(job, '', 'the limit ' .. refused.key .. ' is full', '', now)
    elseif refused.policy == 'fail' then
      return fail_job(job, nil, 'the limit ' .. refused.key .. ' is full', 'full 0 ' .. refused.key, now)
    elseif not replace_oldest(job, refused.key, now) then
      -- What has the places is no job that could be replaced.
      wait_at(job, WHOLE_JOB, at_key(refused.key), nil, now)
      return save_job(job, now)
    end
    if take_job_places(job, now) then start_held(job, now) end
  end
end
