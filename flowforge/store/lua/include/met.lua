-- A request that changes no job is remembered with its answer, so that it is answered as before when it is sent again
-- because its reply was lost.
--@include base

-- Milliseconds for which it is: for longer than a client tries.
local MET_FOR = 60000

-- What the same request was answered before, or nil.
local function answered_before(request) return call('GET', k_met(request)) or nil end

local function remember_answer(request, answer) call('SET', k_met(request), answer, 'PX', MET_FOR) end
