-- Workers by the tokens of their claims.
--@include base

-- Mark of a token -> the worker that makes such tokens, of those that have reported lately.
local worker_names

-- The worker that has made a token; '' when it is not known.
local function worker_of(token)
  if not worker_names then
    worker_names = {}
    for _, name in ipairs(call('HKEYS', k_workers())) do
      worker_names[string.sub(redis.sha1hex(name), 1, 6)] = name
    end
  end
  return worker_names[string.match(token, '^(%x%x%x%x%x%x)%x+%-%d+$')] or ''
end
