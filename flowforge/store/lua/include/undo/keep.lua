-- The undo log of a job: what compensates each committed invocation whose slot has an undo, the latest first.
--@include base, layout

-- slot: index of the compensation; record: what it is to be given. Returns how many entries the log has.
local function keep_for_undo(job, invocation, slot, record)
  local entry = routine_of(invocation) .. '.' .. slot .. ' ' .. record
  local kept = call('LPUSH', k_undo_log(job.id), entry)
  if not job.extras then
    job.extras = true
    save_layout(job)
  end
  return kept
end
