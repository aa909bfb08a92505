-- Appends one record to the job's history, in the order the store decides.
-- kind: what happened; invocation: the invocation or ''; record: packed details or ''.
-- request: identifies an entry that may be sent again, else nil; waited: ms that the message of an attempt lay on
-- its list, nil or '0': not known. Former releases leave fields out that they do not know.
--@include base
local function remember(job, kind, invocation, record, request, waited)
  if waited and waited ~= '0' then
    call('XADD', k_history(job.id), 'MAXLEN', '~', job.history_limit, '*',
      'k', kind, 't', invocation, 'p', record, 'w', waited)
  elseif request then
    call('XADD', k_history(job.id), 'MAXLEN', '~', job.history_limit, '*',
      'k', kind, 't', invocation, 'p', record, 'q', request)
  else
    call('XADD', k_history(job.id), 'MAXLEN', '~', job.history_limit, '*',
      'k', kind, 't', invocation, 'p', record)
  end
end
