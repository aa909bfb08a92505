-- Control: a request that is sent again because its reply was lost has been met already, also when others have
-- been met since.
--@include base

-- Requests of a job that are remembered, the latest: more than operators have under way at one job.
local MOST_REQUESTS = 16

local function is_met(id, request)
  local met = call('HGET', k_job(id), 'request')
  return met and string.find(' ' .. met .. ' ', ' ' .. request .. ' ', 1, true) ~= nil
end

local function meet(id, request)
  local met = { request }
  for earlier in string.gmatch(call('HGET', k_job(id), 'request') or '', '%S+') do
    if #met < MOST_REQUESTS then met[#met + 1] = earlier end
  end
  call('HSET', k_job(id), 'request', table.concat(met, ' '))
end
