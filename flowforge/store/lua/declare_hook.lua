-- A worker says that it has a hook, which hears of what happens from the first time on. Hooks that no worker
-- has had for long are forgotten.
-- In:  name, packed description, ms for which a hook that no worker has is kept
-- Out: 1
--@include base, deliveries
local name, description, kept = ARGV[2], ARGV[3], tonumber(ARGV[4])
local now = now_ms()

call('HSETNX', k_hook_places(), name, call('HGET', k_hook_places(), '#') or 0)
call('HSET', k_hooks(), name, string.format('%d ', now) .. description)
-- Without any worker that has a hook nothing of it stays for longer either.
for _, key in ipairs({ k_hooks(), k_hook_places(), k_hook(name), k_deliveries(name), k_delivery_times(name),
    k_dead_deliveries(name) }) do
  call('PEXPIRE', key, kept)
end
local all = call('HGETALL', k_hooks())
for i = 1, #all, 2 do
  local seen = tonumber(string.match(all[i + 1], '^%d+') or 0)
  if seen + kept < now then remove_hook(all[i]) end
end
return 1
