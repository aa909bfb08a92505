-- What has become of an invocation whose lease is gone.
--@include base

-- Why a lease could not be taken: the job or the invocation is no more, or another holds it.
local function why_no_lease(id, invocation)
  if call('EXISTS', k_job(id)) == 0 then return 'gone' end
  if call('HEXISTS', k_invocations(id), invocation) == 1 then return 'stale' end
  return 'done'
end
