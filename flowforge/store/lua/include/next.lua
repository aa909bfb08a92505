-- Going on with the next message without asking the broker for it.

-- Messages looked at by one script: duplicates and work of ended jobs are passed over.
local LOOKS = 8

-- The whole message of an invocation, as the templates of push.lua make it, for names in plain
-- ASCII. A part of it would not do: a forged message would be taken off without a trace.
local NAME = '([ !#-[%]^-~]+)'
local LONGEST_NAME = 512
local FORM = '^{"body": "%[%[\\"([%w_-]+)\\", \\"((%d+)%.%d+%.%d+%.?%d*)\\"%], {}, '
  .. '{\\"callbacks\\": null, \\"errbacks\\": null, \\"chain\\": null, \\"chord\\": null}%]", '
  .. '"content%-encoding": "utf%-8", "content%-type": "application/json", '
  .. '"headers": {"lang": "py", "task": "' .. NAME .. '", "id": "%1%-%3", "shadow": null, '
  .. '"eta": null, "expires": null, "group": null, "group_index": null, "retries": 0, '
  .. '"timelimit": %[null, null%], "root_id": "%1", "parent_id": null, '
  .. '"argsrepr": "%(%1, ' .. NAME .. '%)", "kwargsrepr": "{}", "origin": "flowforge", '
  .. '"ignore_result": true, "replaced_task_nesting": 0, "stamped_headers": null, '
  .. '"stamps": {}, "flowforge": 1}, "properties": {"correlation_id": "%1%-%3", '
  .. '"reply_to": "", "delivery_mode": 2, "delivery_info": {"exchange": "", '
  .. '"routing_key": "' .. NAME .. '"}, "priority": %d, "body_encoding": null, '
  .. '"delivery_tag": "%1%-%3%-%d+"}}$'

-- The oldest message of a list, taken off it, if it is an invocation; else it stays for the
-- worker's consumer, which knows what to do with other tasks and with rubbish.
local function take_message(list)
  -- The commit has been made: a key that is no list must not fail it.
  local item = redis.pcall('LINDEX', list, -1)
  if type(item) ~= 'string' then return nil end
  local id, tag, _, task, slot, queue = string.match(item, FORM)
  if not id or math.max(#task, #slot, #queue) > LONGEST_NAME then return nil end
  call('RPOP', list)
  return id, tag
end

-- Claims the first claimable message of the lists ARGV[first], ...: {id, tag, record, claims,
-- lost, definition hash} or {}.
local function claim_next(token, lease, first, now)
  local looks = 0
  for i = first, #ARGV do
    local id, tag = take_message(ARGV[i])
    while id do
      local answer = grant(id, tag, token, lease, now)
      if answer[1] == 'granted' then
        return { id, tag, answer[2], answer[3], answer[4], answer[5] }
      end
      looks = looks + 1
      if looks >= LOOKS then return {} end
      id, tag = take_message(ARGV[i])
    end
  end
  return {}
end
