-- Appends an entry to the stream of what people did, once.
-- In:  packed record, entries that are kept, request
-- Out: 1 if it was appended, 0 if it is there already
--@include base, full
local record, kept, request = ARGV[2], ARGV[3], ARGV[4]

-- Entries looked at for one that is sent again because its reply was lost.
local LATEST = 100

for _, entry in ipairs(call('XREVRANGE', k_audit(), '+', '-', 'COUNT', LATEST)) do
  if entry[2][3] == 'q' and entry[2][4] == request then return 0 end
end
-- What people do on a full server to mend it is kept as well; the oldest entries go for it.
write_though_full()
call('XADD', k_audit(), 'MAXLEN', '~', kept, '*', 'r', record, 'q', request)
return 1
