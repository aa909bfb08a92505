-- Keeps what is in force for a limit, or for one of its keys.
-- In:  field ('=name': what the code says; 'name' or 'name/key': what an operator has set), then what is set in the
--      order of SETTINGS ('-': as before), and what is kept for people ('' for what code says)
-- Out: what is in force there now, as text
--@include base, full
local field, arguments = ARGV[2], ARGV
-- As SETTINGS in limits/step has them.
local NUMBER = 7

local before = string.sub(field, 1, 1) == '=' and '' or call('HGET', k_limits(), field) or ''
local kept, texts = {}, {}
for value in string.gmatch(before, '%S+') do kept[#kept + 1] = value end
for i = 1, NUMBER do
  local value = arguments[2 + i]
  texts[i] = value == '-' and kept[i] or value
end
local text = table.concat(texts, ' ') .. ' ' .. arguments[3 + NUMBER]
write_though_full()
call('HSET', k_limits(), field, text)
call('SET', k_limit_home(), 1)
return text
