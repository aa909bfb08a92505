"""Every key that FlowForge uses, for Python and for the Lua scripts.

One table is the source of both: a method here, and ``k_<name>(argument)`` in Lua, so that a key can
be renamed or sharded in this file alone. The broker's lists are not in it: they belong to
kombu and carry the names of Celery queues.
"""

from __future__ import annotations

import re

#: Key patterns below the prefix. ``{}`` stands for the argument.
PATTERNS: dict[str, str] = {
    # one job
    "job": "j:{}",  # hash: status, counters, times, limits
    "invocations": "j:{}:i",  # hash: invocation -> record of every uncommitted invocation
    "claims": "j:{}:a",  # hash: invocation -> claims; with l before it lost ones, u unknown class
    "parked": "j:{}:b",  # list: invocations that wait for room, a resume or a retry; see lanes
    "lanes": "j:{}:l",  # hash, in jobs on several queues: q<list> -> messages, w<list> -> parked
    "merges": "j:{}:m",  # hash: r.s -> length, r.s.k -> record k, r.s.base -> consumed up to
    "routines": "j:{}:r",  # hash: r.<counter> -> number
    "stats": "j:{}:s",  # hash: r.name -> number or packed value
    "routine_data": "j:{}:u",  # hash: routine id/key -> packed value
    "segments": "j:{}:g",  # list: job/invocation/token of each staged emission not yet released
    "segment": "g:{}",  # list per attempt: staged emissions; with /o behind it staged outputs
    "output_segments": "j:{}:v",  # list: the same for outputs: which of them are not yet released
    "outstanding": "j:{}:n",  # hash: routine -> uncommitted invocations; joins that wait for it
    "joins": "j:{}:k",  # hash: r.s/key -> number and count of a collection that is open
    "opened": "j:{}:q",  # zset: r.s/number/key of a collection that is open
    "collected": "j:{}:c",  # hash: number.i -> record i of a collection
    "late": "j:{}:t",  # list: number and r.s/key of joins that were late in a halted job
    "child_failures": "j:{}:f",  # hash: invocation -> child job that failed, retries so far
    "children": "j:{}:d",  # hash: id of a child job -> the invocation that waits for it
    "started_jobs": "j:{}:starts",  # zset: jobs that its handlers have started by creation time
    "put_off": "j:{}:later",  # hash: invocation that is put off -> its emitter and mode
    "expectations": "j:{}:expects",  # hash: number of an open expectation -> what it is
    "answers": "j:{}:answers",  # hash: what became of expectations; see expectations
    "early_answers": "j:{}:early",  # hash: r.s/key -> an answer that is not expected yet
    "undo_log": "j:{}:undo",  # list: what compensates committed invocations: r.s and record, each
    "undoing": "j:{}:undoing",  # list, in a job that undoes another: the same, what is left of it
    "history": "j:{}:h",  # stream
    "outputs": "j:{}:o",  # list of records
    "logs": "j:{}:w",  # stream: lines that handlers have logged
    "pauses": "j:{}:p",  # list of records
    "entry_params": "j:{}:e",  # string: the record of the entry params, without secrets
    "inputs": "j:{}:y",  # hash: invocation -> record of the params of one that has ended
    "breakpoints": "j:{}:x",  # hash: routine -> condition; with d before it when, and what is shown
    "limited": "j:{}:limits",  # hash: invocation -> keys of limits, a line each; n<it>, v<it>
    "stopped": "j:{}:z",  # zset: invocation at a breakpoint by when it stopped; 0: it was let go
    "further_keys": "j:{}:keys",  # list: idempotency keys of calls that were debounced into it
    "channel": "n:{}",  # pub/sub: what waiters listen to
    # all jobs
    "definition": "d:{}",  # hash: json, active, q<r> -> list, m<r>.<s> -> message template
    "unclaimed": "u:{}",  # zset per broker list: id/invocation by push number
    "paused_unclaimed": "pu:{}",  # zset per list of a paused queue: what was unclaimed before
    "paused_pushes": "pp:{}",  # zset per list of a paused queue: what was pushed since
    "queue_pauses": "paused",  # hash: p<queue> -> ms and who paused it; see internals
    "fair_lists": "fair",  # hash: m<list> -> messages with fair keys that may be on it; v<list>
    "fair_turns": "turns:{}",  # zset per broker list: fair key by the time of its turn
    "fair_waiting": "waits:{}",  # zset per list and key, a line each: id/invocation by number
    "fair_entered": "entered:{}",  # zset per list: those that have a message and are unclaimed
    "status": "jobs:{}",  # zset per status: job id by creation time
    "flow": "flow:{}",  # zset per flow id: the same
    "label": "label:{}",  # zset per name=value: the same
    "entries": "entries",  # hash: job id -> its flow id and labels, a line each
    "flow_counts": "flows",  # hash: status/flow id -> how many jobs, above zero
    "idempotency": "idem:{}",  # string: job id
    "single": "single:{}",  # zset: the jobs of a key, one at a time, in the order of their turns
    "debounce": "debounce:{}",  # hash: the job that waits for more calls, and until when
    "met": "met:{}",  # string, with a time to live: what a request was answered that is sent again
    "leases": "leases",  # zset: id/invocation/token by expiry
    "attempt_ends": "ends",  # zset: id/invocation/token by when the time of the attempt is over
    "time_over": "over:{}",  # string, with a time to live: how the attempt of this lease was ended
    "claim_time": "c:{}",  # string: when the attempt of this lease was claimed, once it was renewed
    "timers": "timers",  # zset: job and kind by due time
    "open_expectations": "expects",  # zset: job/number of each open expectation by its start
    "assigned": "expects:{}",  # zset per assignee: the same
    "assignees": "assignees",  # hash: those that have any
    "sequences": "seq",  # hash: broker list -> number of its latest push
    "expiry": "expiry",  # zset: ended job ids by the time their keys go
    "deletions": "trash",  # list: what is to be deleted in pieces: a name, or items of a collection
    "deleted": "x:{}",  # hash: what was too large to be removed at once, by its name before
    "server": "server",  # string: the server's own name
    "leader": "leader",  # string: who does the upkeep
    "workers": "workers",  # hash: worker name -> record
    "handlers": "handlers",  # hash: routine class -> what its handlers take; see handler_records
    "aside": "aside:{}",  # by its name: what lay in place of a key, moved aside for seven days
    "damaged": "damaged",  # hash: members of indexes that made no sense, and how often each was met
    "log_writer": "w:{}",  # string, with a time to live: the latest batch of lines of a process
    "error_groups": "errors",  # zset: groups of errors by the time of their latest
    "error_group": "e:{}",  # hash: what the errors of a group have in common, how many, latest jobs
    "outbox": "outbox",  # stream: what happened that hooks hear of
    "hooks": "hooks",  # hash: hook -> ms at which a worker last had it, and what it is
    "hook_places": "hooks:c",  # hash: hook -> number of the line that it has read; # -> latest
    "hook": "hook:{}",  # hash: who delivers to a hook, and how that went lately
    "deliveries": "hook:{}:d",  # hash: r<id> -> record, s<id> attempts, w<id> why, o<cause> id
    "delivery_times": "hook:{}:t",  # zset: deliveries that wait, by the time of the next attempt
    "dead_deliveries": "hook:{}:x",  # zset: deliveries that were given up, by the time of that
    "bulk": "bulk:{}",  # hash: what a bulk operation does, how far it is, what it was refused
    "bulk_jobs": "bulk:{}:j",  # list: the jobs that it has not come to, the next one last
    "bulks": "bulks",  # zset: bulk operations in the order of their starts, about by time
    "active_bulks": "bulks:active",  # zset: those that run, by when the next piece may be done
    "schedules": "schedules",  # zset: schedule by when the leader looks at it; inf: never
    "schedule": "schedule:{}",  # hash: what a schedule starts and when, how far it is
    "schedule_history": "schedule:{}:h",  # stream: starts, skipped times, changes
    "schedule_jobs": "schedule:{}:j",  # zset: jobs that have not completed, by their time
    "schedule_waiting": "schedule:{}:w",  # zset: how/text of times that wait for a job, by time
    "limits": "limits",  # hash: name, name/key or =name (as code has it) -> what is in force
    "limit_home": "limits:home",  # string: 1 once a limit was written here
    "limit_keys": "limits:keys",  # zset: keys with places or waiters, by the next look at them
    "limit_number": "limits:n",  # string: the latest number of a waiter, about a time
    "limit_promises": "limits:promises",  # hash: key -> what a place is kept for; see limits/keys
    "limit_starving": "limits:starving",  # hash: key -> since when its first waiter waits, told
    "limit_places": "limit:{}:p",  # zset: lease, or job/invocation/, by ms; job/invocation: -ms
    "limit_waiters": "limit:{}:w",  # zset: job/invocation by number
    "limit_state": "limit:{}:s",  # hash: when the next start is due by the rate, and rest
    "job_totals": "totals",  # hash: flow id and what happened to its jobs, a line each -> how often
    "attempt_totals": "totals:{}",  # string: 64-bit counters of a slot's attempts; see totals.py
    "worker_totals": "worked:{}",  # hash: slot and counter -> number, of one worker's attempts
    "connection_totals": "carried:{}",  # string: 64-bit counters of a connection; see totals.py
    "named": "named:{}",  # zset: flows, slots, connections counted by their names, by first time
    "minute": "minute:{}",  # hash: flow id -> its totals at the beginning of this minute
    "tally_writer": "tw:{}",  # string, with a time to live: the latest batch of totals of a process
    "audit": "audit",  # stream: what people did in dashboards and on the command line
    "dead_letters": "dead",  # zset: number, ms and record of a refused message, by number
    "dead_letter_number": "dead:n",  # string: the latest number
}


class Keys:
    """Builds keys below one prefix, for example ``Keys("ff").of("job", job_id)``."""

    def __init__(self, prefix: str) -> None:
        self.root = prefix + ":"

    def of(self, name: str, argument: str = "") -> str:
        """The key of pattern ``name``; KeyError for an unknown pattern."""
        return self.root + PATTERNS[name].replace("{}", argument)


_CALL = re.compile(r"\bk_(\w+)\(")
_PARENTHESIS = re.compile("[()]")


def expand_keys(source: str) -> str:
    """Lua source with every ``k_<name>(argument)`` as the text that makes the key.

    A function for each would be made again in every call of a script. The root is the local ``P``.
    KeyError for an unknown pattern.
    """
    made, at = [], 0
    while match := _CALL.search(source, at):
        end = _closing(source, match.end())
        made += [source[at : match.start()], _lua_key(match[1], source[match.end() : end])]
        at = end + 1
    return "".join([*made, source[at:]])


def _lua_key(name: str, argument: str) -> str:
    before, hole, after = PATTERNS[name].partition("{}")
    if not hole:
        return f"(P..'{before}')"
    rest = f"..'{after}'" if after else ""
    return f"(P..'{before}'..({expand_keys(argument)}){rest})"


def _closing(source: str, at: int) -> int:
    """Where the parenthesis closes that was opened before ``at``."""
    depth, place = 1, at
    while depth:
        match = _PARENTHESIS.search(source, place)
        if match is None:
            raise ValueError(f"no parenthesis closes {source[at - 20 : at + 20]!r}")
        depth += 1 if match[0] == "(" else -1
        place = match.end()
    return place - 1
