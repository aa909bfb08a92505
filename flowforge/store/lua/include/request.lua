-- Control: a request that is sent again because its reply was lost has been met already.
--@include base
local function is_met(id, request)
  return call('HGET', k_job(id), 'request') == request
end

local function meet(id, request)
  call('HSET', k_job(id), 'request', request)
end
