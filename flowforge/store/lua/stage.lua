-- Keeps part of a large emission outside the worker's memory. Nothing of it is visible before the
-- commit of the attempt; it is dropped when the attempt ends otherwise.
-- In:  id, invocation, token, '' for emissions or '/o' for outputs, how many of them are staged already,
--      then the emissions: 'r s length mode record' each, with the mode's length, and no blank between
--      mode and record; or the records of the outputs
-- Out: 'ok' | 'stale' (the lease is lost or the job has ended)
--      | 'incomplete' (what was staged before is not all there)
--@include base, job_row
local id, invocation, token, kind, already = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local arguments = ARGV
local attempt = id .. '/' .. invocation .. '/' .. token
if not call('ZSCORE', k_leases(), attempt) then return 'stale' end
local status = call('HGET', k_job(id), 'status')
if not status or ENDED[status] then return 'stale' end

-- An emission that is to be made later, counted from now: it may be released long after the commit. Releases
-- that know nothing of such emissions must not meet one.
local function timed(item)
  local r, s, length, ms, rest = string.match(item, '^(%d+) (%d+) (%d+) %+(%d+) (.*)$')
  if not ms or kind ~= '' then return item end
  local job = load_job(id)
  if not job.puts_off then
    --@include layout
    job.puts_off = true
    save_layout(job)
  end
  local at = string.format('%d', now_ms() + ms)
  -- Joined, as string.format ends a text at a zero byte.
  return table.concat({ r, s, length + #at - #ms, '@' .. at, rest }, ' ')
end

local segment = attempt .. kind
local there = call('LLEN', k_segment(segment))
if there == already then
  for i = 7, #arguments do call('RPUSH', k_segment(segment), timed(arguments[i])) end
elseif there ~= already + #arguments - 6 then
  -- A reply that was lost makes the caller send the same part again, which is then all there.
  return 'incomplete'
end
return 'ok'
