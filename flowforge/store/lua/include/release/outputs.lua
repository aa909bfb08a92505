-- Staged outputs take no room, so they wait for none.
--@include base, state, timers, outputs

-- enough: how much is done at most, in messages.
local function release_outputs(job, enough, now)
  local most, outputs = spent + enough, {}
  local segment = call('LINDEX', k_output_segments(job.id), 0)
  while segment and spent + 0.3 * #outputs < most do
    local record = call('LPOP', k_segment(segment))
    if record then
      outputs[#outputs + 1] = record
      spent = spent + #record / BYTES
    else
      call('LPOP', k_output_segments(job.id))
      segment = call('LINDEX', k_output_segments(job.id), 0)
    end
  end
  job.staged = job.staged - #outputs
  add_outputs(job, outputs, 1, #outputs)
  if segment then set_timer(now, job.id, 'more') end
end
