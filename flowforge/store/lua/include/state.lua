-- What the rules of one script share while it runs. Each is changed by the functions named with it alone.

-- id -> the only table that the script has of a job, loaded or new: with two of them, what is saved last
-- would undo what the other counted. load_job, only_table, forget_loaded.
local jobs = {}

-- job -> when it was saved, while saves are batched; nil: they are made at once. save_job, batch_saves,
-- flush_saves.
local unsaved

-- 'definition.routine.slot' -> broker list and message template, as far as they were needed. find_route.
local routes = {}

-- The order of work with fair keys, made when the script first needs it. count_message.
local turns

-- list -> {template, job, invocation} each, while pushes are batched; nil: they are made at once. push_message,
-- batch_pushes, flush_pushes.
local unpushed

-- What the script has done so far, in messages of about 10 us of the server's time each. Every rule that
-- may do much adds to it, and stops when it is enough.
local spent = 0

-- Bytes of a record that count as a message.
local BYTES = 16384
