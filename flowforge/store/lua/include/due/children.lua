-- The many child jobs of a job get a look each, some at a time.
--@include base, timers, deletions

-- job: nil when it is gone, its children then wait for nothing any more, as those of a cancelled one.
local function look_at_some_children(id, job, cursor, now)
  local page = call('HSCAN', k_children(id), cursor, 'COUNT', 100)
  for i = 1, #page[2], 2 do set_timer(now, page[2][i], 'look') end
  if page[1] ~= '0' then
    set_timer(now, id, 'children', page[1])
  elseif not job or job.status == 'cancelled' then
    delete_hashes({ k_children(id) })
  end
end
