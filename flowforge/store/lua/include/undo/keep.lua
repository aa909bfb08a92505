-- The undo log of a job: what compensates each committed invocation whose slot has an undo, the latest first.
--@include base, layout

-- slot: index of the compensation; record: what it is to be given.
local function keep_for_undo(job, invocation, slot, record)
  call('LPUSH', k_undo_log(job.id), routine_of(invocation) .. '.' .. slot .. ' ' .. record)
  if not job.extras then
    job.extras = true
    save_layout(job)
  end
end
