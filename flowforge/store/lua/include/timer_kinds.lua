-- What timers are for.

-- The kinds. form: a pattern of what stands behind 'id/', which captures what the timer is about;
-- cost: the server's time for what it does, in messages, as far as that is not counted there;
-- without_job: it is done when the job is no longer there, too.
local function timer_kinds()
  return {
    -- An attempt is to be made again, or by another worker. Due: the invocation is queued, or parked.
    -- Cleared: with the invocation, at the end of its job.
    invocation = { form = '^(%d+%.%d+%.%d+%.?%d*)$', cost = 0 },

    -- about: 'number r.s/key' of an open collection, whose time will be over. Due: it is given up, fired
    -- or the end of the job, or kept for later when the job may not go on. Cleared: when it fires, and
    -- with the collection at the end of its job.
    join = { form = '^join/(%d+ %d+%.%d+/.*)$', cost = 0 },

    -- Joins that were late while the job stood still are to have their time again. Due: some of them
    -- have it. Never cleared.
    late = { form = '^late()$', cost = 10 },

    -- A script had done enough for the job. Due: the job goes on where it stopped. Never cleared.
    more = { form = '^more()$', cost = 2 },

    -- Something changed for the job, above it. Due: the job goes on if it may, or is cancelled if a job
    -- above it has ended. Never cleared.
    look = { form = '^look()$', cost = 2 },

    -- about: a cursor. Something changed for the many child jobs of the job. Due: 100 of them get a timer
    -- 'look'. Never cleared.
    children = { form = '^children/(%d+)$', cost = 30, without_job = true },

    -- about: the number of an expectation, whose time will be over. Due: what it is to get then is delivered, or
    -- the job fails. Cleared: when it is answered, and with it at the end of its job.
    expect = { form = '^expect/(%d+)$', cost = 11 },

    -- about: the number of an expectation. Due: it is told of once more, and again after the same time.
    -- Cleared: when it is answered, and with it at the end of its job.
    remind = { form = '^remind/(%d+)$', cost = 1 },
    -- about: by then the job is to have started, or to have ended, or from then on it is late, by which of the
    -- times of its flow. Due: it fails, or that is told. Cleared: at the end of the job.
    deadline = { form = '^deadline/(%l+%d?)$', cost = 5 },

    -- about: 'id/invocation' that waits for the job, which is to be retried because its parent was. Due:
    -- it is retried, or the invocation goes on without it. Never cleared.
    retry = { form = '^retry/([^/]+/%d+%.%d+%.%d+)$', cost = 5, without_job = true },

    -- about: a key of a limit at which invocations wait for a time, or more may be let in than one script does.
    -- Due: as many are let in as there is room for. Never cleared.
    limit = { form = '^limit/(.+)$', cost = 2, without_job = true },
  }
end

-- Job, kind and what a member is about; nil when it has the form of none.
local function parse_timer(kinds, member)
  local id, what = string.match(member, '^([^/]+)/(.+)$')
  if not id then return nil end
  local kind = string.match(what, '^%a+') or 'invocation'
  local about = kinds[kind] and string.match(what, kinds[kind].form)
  if not about then return nil end
  return id, kind, about
end
