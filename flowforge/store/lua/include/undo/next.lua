-- The compensations of a job that undoes another one, one at a time: the next is made when nothing is left of
-- the one before.
--@include base, push, undo/entry

-- Makes the next compensation. False when there is none: all is undone, or the job undoes nothing.
local function next_compensation(job, now)
  local entry = call('LINDEX', k_undoing(job.id), 0)
  if not entry then return false end
  local r, s, record = undo_entry(entry)
  if find_route(job, r, s) then
    call('LPOP', k_undoing(job.id))
    create_compensation(job, r, s, record)
  else
    --@include fail_job
    fail_job(job, nil, 'definition missing', 'undefined 0 0.' .. r .. '.' .. s, now)
  end
  return true
end
