-- Sets the breakpoint of a routine, in place of an earlier one.
-- In:  id, request, packed details, routine, packed condition ('': each invocation stops), what is shown of it
-- Out: 'ok' | 'gone' | 'newer' (a later release's job) | the status of a job that is completed or cancelled
--@include base, stay_with, job_row, layout, full, request, history
local id, request, details, r, condition, about = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local job = load_job(id)
if not job then return 'gone' end
if job.newer then return 'newer' end
if is_met(id, request) then return 'ok' end
if job.status == 'completed' or job.status == 'cancelled' then return job.status end
write_though_full()
meet(id, request)
call('HSET', k_breakpoints(id), r, condition, 'd' .. r, string.format('%d ', now_ms()) .. about)
if not job.breaks then
  job.breaks = true
  save_layout(job)
end
stay_with(job, k_breakpoints(id))
remember(job, 'break_set', '', details)
stay_with(job, k_history(id))
return 'ok'
