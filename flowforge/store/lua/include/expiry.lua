-- What stays of a job after its end, and for how long.
--@include base, pieces, deletions

-- One job fewer uses its definition, which stays as long as the job does: with the last one the
-- definition gets the longest time to live that any of them asked for.
local function leave_definition(def, now, retention)
  local key = k_definition(def)
  if call('HEXISTS', key, 'json') == 0 then return end
  local until_ms = math.max(tonumber(call('HGET', key, 'until') or 0), now + retention)
  call('HSET', key, 'until', until_ms)
  -- The job's own keys count their time from a command that may come a little later.
  if call('HINCRBY', key, 'active', -1) <= 0 then call('PEXPIREAT', key, until_ms + 1000) end
end

-- What stays with a job after its end. logged: whether its handlers may have logged lines that are kept;
-- params: whether its entry params may be kept; inputs: whether params of its invocations may be; starts: whether
-- its handlers may have started jobs; answers: whether answers from outside may be.
local function kept_of(id, logged, params, inputs, starts, answers)
  local kept = { k_job(id), k_routines(id), k_stats(id), k_routine_data(id), k_history(id), k_outputs(id),
    k_pauses(id) }
  if logged then kept[#kept + 1] = k_logs(id) end
  if params then kept[#kept + 1] = k_entry_params(id) end
  if inputs then kept[#kept + 1] = k_inputs(id) end
  if starts then kept[#kept + 1] = k_started_jobs(id) end
  if answers then kept[#kept + 1] = k_answers(id) end
  return kept
end

-- The work of a failed job stays as long as the job. Segments and the index of open collections go when it
-- is forgotten. ms: how long that is from now.
local function keep_work(job, ms)
  local hashes, lists = work_of(job.id, job)
  -- What has timers outlives the job as well: it says which are to be taken back.
  local timed = { [k_invocations(job.id)] = job.timers > 0, [k_joins(job.id)] = true,
    [k_expectations(job.id)] = true }
  for _, key in ipairs(hashes) do
    call('PEXPIRE', key, ms + ((call('HLEN', key) > FEW or timed[key]) and SPARE or 0))
  end
  for _, key in ipairs(lists) do call('PEXPIRE', key, ms) end
end
