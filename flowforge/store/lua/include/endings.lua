-- How a job can end, for rules that seldom end one: what an end needs is made when it comes.
local function endings()
  --@include finish, fail_job, cancel_job
  return { finish = finish, fail_job = fail_job, fail_undefined = fail_undefined, cancel_orphan = cancel_orphan }
end
