-- Accepts what an invocation did: its end, its emissions, its outputs, its stats; exactly once.
-- In:  id, invocation, token, outcome (completed, error_continued, skipped), or expecting (completed, with
--      answers that are waited for), micros, packed details, ms that its
--      message lay on its list; unless it has completed a sample of the error, as
--      count_error takes it; of expecting the section expected; where the slot has an undo: 'undo', the slot and
--      the record of what compensates the invocation; then the sections emitted, staged, outputs, stats,
--      resets, started_jobs, each with the number of
--      its items first; then next_message, or nothing. include/commit/ has a file for each
-- Out: {'ok' | 'done' (was committed before) | 'stale' (another claim is valid) | 'gone'
--      | 'dropped' (the job has ended) | 'newer' (a later release's job)
--      | 'incomplete' (what was staged is not all there: nothing is committed)
--      | 'expected' (an answer that is expected already; which one: nothing is committed)}, and behind 'ok' what was
--      claimed next, if anything: id, invocation, record, claims, lost, definition hash, ms from push to claim, and
--      what `claim` adds with limits
--@include base, job_row, push, save_once, child_jobs, history, lease, attempt, settle
--@include commit/emitted, commit/next_message
local id, invocation, token, outcome = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local micros, details, waited, arguments = tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV

-- A section without items. What reads one is made for those that have some.
local NONE = '0'

-- Where the first section is; `at`: where the next one is.
local emitted, expected = outcome == 'completed' and 9 or 14, nil
if outcome == 'expecting' then
  --@include commit/expected
  outcome = 'completed'
  expected, emitted = read_expected(arguments, 9)
end
local undo
if arguments[emitted] == 'undo' then
  undo, emitted = { arguments[emitted + 1], arguments[emitted + 2] }, emitted + 3
end

local job = load_job(id)
if not job then return { 'gone' } end
if job.newer then return { 'newer' } end
local now = now_ms()
-- position: in the log of a slot that merges, else ''.
local r, s, position = routine_of(invocation)
local at = check_emitted(job, arguments, emitted)
local staged
if arguments[at] == NONE then
  at = at + 1
else
  --@include commit/staged
  staged, at = staged_lists(id .. '/' .. invocation .. '/' .. token, arguments, at)
  if not staged.are_complete() then return { 'incomplete' } end
end
local twice = expected and expected.is_open_already(job, invocation, token)
if twice then return { 'expected', twice } end
if not take_lease(id, invocation, token) then
  --@include no_lease
  return { why_no_lease(id, invocation) }
end

batch_saves()
job.running = job.running - 1
local hand_places_on
if job.limited then
  --@include limits/step
  hand_places_on = give_back_places(job, invocation, token, true)
end
-- Of a child job that has failed since; its retry is not.
local failed = job.extras and s == CHILD_SLOT and call('HEXISTS', k_child_failures(id), invocation) == 1
if outcome ~= 'completed' or ENDED[job.status] or failed then
  --@include uncommitted
  local ended = ENDED[job.status]
  if ended or not staged then drop_staged(id, invocation, token) end
  if ended then
    if undo then
      --@include undo/late
      if commit_to_undo(job, invocation, undo, micros, details, waited, now) then
        if hand_places_on then hand_places_on() end
        flush_saves()
        return { 'ok' }
      end
    end
    discard(job, invocation, now)
  end
  -- One that completes has seen its child complete, which is final, or goes on after its failure.
  local withdrawn = not ended and withdraw(job, invocation, micros, details, now)
  if withdrawn and staged then drop_staged(id, invocation, token) end
  if ended or withdrawn then
    if hand_places_on then hand_places_on() end
    flush_saves()
    return { ended and 'dropped' or 'ok' }
  end
end
call('HDEL', k_invocations(id), invocation)
call('HDEL', k_claims(id), invocation, 'l' .. invocation, 'u' .. invocation)
if s == CHILD_SLOT then call('HDEL', k_child_failures(id), invocation) end
if job.breaks then call('ZREM', k_stopped(id), invocation) end
if job.limited then
  -- The release of its places has looked for its keys.
  local to = find_route(job, r, s)
  if not (to and to.limits) then call('HDEL', k_limited(id), invocation) end
end
count_attempt(job, r, outcome, outcome, micros, now)
if outcome ~= 'completed' then
  --@include latest_error, error_groups
  keep_error(job, invocation, details, now)
  count_error(job, r, { unpack(arguments, 9, 13) }, now)
end
remember(job, outcome, invocation, details, nil, waited)
if undo then
  --@include undo/keep, undo/bound
  if keep_for_undo(job, invocation, undo[1], undo[2]) > MOST_KEPT then
    fail_beyond_bound(job, invocation, token, now)
    flush_saves()
    return { 'ok' }
  end
end

create_emitted(job, arguments, emitted)
if expected then expected.open(job, invocation, now) end
if arguments[at] == NONE then
  at = at + 1
else
  --@include commit/outputs
  at = commit_outputs(job, arguments, at)
end
if arguments[at] == NONE then
  at = at + 1
else
  --@include commit/stats
  at = change_stats(id, arguments, at)
end
if arguments[at] == NONE then
  at = at + 1
else
  --@include commit/resets
  at = consume(id, invocation, arguments, at)
end
if position ~= '' then
  --@include merging_log
  log_of(id, r .. '.' .. s).release_epoch(position)
end
if staged then staged.adopt(job) end
local create_started
if arguments[at] == NONE then
  at = at + 1
else
  --@include commit/started_jobs
  create_started, at = start_jobs(job, invocation, arguments, at, now)
end

if job.joins and call('HINCRBY', k_outstanding(id), r, -1) <= 0 then
  --@include complete_joins
  fire_complete(job, now, r)
end
settle(job, now)
-- Behind the last change of this job: one that ends at once changes it again.
if create_started then create_started() end
if hand_places_on then hand_places_on() end
if at > #arguments then
  flush_saves()
  return { 'ok' }
end
-- The commit has been made: an error over another job's message must not undo its answer.
local _, found = pcall(claim_next, arguments, at, now)
flush_saves()
return { 'ok', unpack(type(found) == 'table' and found or {}) }
