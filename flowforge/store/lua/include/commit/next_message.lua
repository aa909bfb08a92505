-- Section `next_message` of the commit: going on without asking the broker. Token, lease ms, broker lists in
-- order; or nothing.
--@include base, job_row, push_numbers, push, grant

-- Messages looked at by one script: duplicates and work of ended jobs are passed over.
local LOOKS = 8

-- How the message of an invocation without a timeout has it.
local UNLIMITED = '"timelimit": [null, null]'

-- The oldest message of a list, taken off it, if it is an invocation as this job's template makes it;
-- else it stays for the worker's consumer, which takes other tasks and refuses what is none. So does that of
-- a job with breakpoints, which may have to be judged, and one with a timeout, which Celery keeps too.
-- All of it is compared: a forged message must not be taken off without a trace.
local function take_message(list)
  local item = call('LINDEX', list, -1)
  if not item then return nil end
  local id, invocation = string.match(item, MESSAGE)
  local number = string.match(string.sub(item, -24), PUSH_NUMBER)
  local job = id and number and load_job(id)
  if not job or job.newer or job.breaks then return nil end
  local r, s = routine_of(invocation)
  local to = find_route(job, r, s)
  if to and job.extras and not string.find(to.template, UNLIMITED, 1, true) then return nil end
  if not to or message_of(to.template, job, invocation, number) ~= item then return nil end
  call('RPOP', list)
  return id, invocation, tonumber(number), r, s
end

-- Claims the first claimable message: {id, invocation, record, claims, lost, definition hash, waited} or
-- {}; with what grant adds to it.
local function claim_next(arguments, at, now)
  local token, lease, looks = arguments[at], tonumber(arguments[at + 1]), 0
  for i = at + 2, #arguments do
    local list = arguments[i]
    local id, invocation, number, r, s = take_message(list)
    while id do
      local answer = grant(id, invocation, token, lease, now, number, r, s)
      if answer[1] == 'granted' then
        return { id, invocation, unpack(answer, 2) }
      end
      looks = looks + 1
      if looks >= LOOKS then return {} end
      id, invocation, number, r, s = take_message(list)
    end
  end
  return {}
end
