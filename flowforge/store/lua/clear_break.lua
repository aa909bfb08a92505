-- Clears the breakpoint of a routine, or all. What has stopped there is let go by let_go.
-- In:  id, request, packed details, routine ('': all)
-- Out: 'ok' | 'none' (there is none to clear) | 'gone' | 'newer' (a later release's job)
--      | the status of a job that is completed or cancelled
--@include base, stay_with, job_row, layout, deletions, full, request, children, history
local id, request, details, r = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if job.status == 'completed' or job.status == 'cancelled' then return job.status end
if not job.breaks then return 'none' end
if r ~= '' and call('HEXISTS', k_breakpoints(id), r) == 0 then return 'none' end
write_though_full()
meet(id, request)
if r ~= '' then call('HDEL', k_breakpoints(id), r, 'd' .. r) end
if r == '' or call('HLEN', k_breakpoints(id)) == 0 then
  delete_hashes({ k_breakpoints(id) })
  job.breaks = false
  save_layout(job)
end
-- Releases without breakpoints have left the ends of child jobs unreported.
look_at_children(job, now_ms())
remember(job, 'break_cleared', '', details)
stay_with(job, k_history(id))
return 'ok'
