-- What the end of a job means for what it has done, or for the job that it undoes.
--@include base, stay_with, job_row, history, undo/begin

local function undo_at_end(job, now)
  local id = call('HGET', k_job(job.id), 'undoes')
  if id then
    local undone = load_job(id)
    if undone and not undone.newer then
      remember(undone, 'undo_ended', '', job.id .. ' ' .. job.status)
      stay_with(undone, k_history(id))
    end
  elseif job.status == 'cancelled' and job.undo
      or job.status == 'failed' and call('EXISTS', k_undo_log(job.id)) == 1 then
    open_undo(job, now)
  elseif job.status ~= 'failed' then
    call('UNLINK', k_undo_log(job.id))
  end
end
