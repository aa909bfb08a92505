"""The fields of a job's row, as they are stored. ``lua/include/job_row.lua`` loads and saves it."""

from __future__ import annotations

#: Name -> meaning. Times are milliseconds of the server's clock.
FIELDS: dict[str, str] = {
    "v": "Version of the row; a script leaves a later one as it is. 1, 1 more with breakpoints, "
    "2 more with deliveries that are put off, 4 more with what few jobs have: timeouts, deadlines, "
    "times from which it is late, limits of the flow, answers that are expected, what can be "
    "undone, `single`, `debounce`, a fair key; 8 more with limits of slots and connections, and 16 "
    "more from when one of its invocations has waited at one",
    # what was submitted
    "flow": "Id of the flow",
    "def": "Hash of the definition",
    "entry": "Routine and slot of the first invocation, as text",
    "fair": "Weight and fair key",
    "priority": "Priority of the messages",
    "suffix": "What kombu appends to the name of a broker list for this priority",
    "queues": "How many queues the routines are on",
    "uses": "A letter for each thing that few jobs have: `l` for limits of slots and connections, "
    "`j` for limits of the flow, `s` besides while claims of the job have to ask when it may start",
    "limits": "Keys of the limits of its flow, a line each; a child job shares some places with "
    "the jobs above it",
    "joins": "1 if a slot of the flow joins, else absent",
    "params": "`kept` (in a key of their own), `none`, or `large`: not kept; of a fork too",
    "idempotency": "Idempotency key, behind the flow's id",
    "started_by": "Job and invocation whose commit created this one, if nothing waits for it",
    "single": "Key of which one job runs at a time, behind the flow's id",
    "next": "Of a job that is undone, or undoes one: the job that replaces it when that has ended",
    "debounce": "Key by which further calls find the job while it waits, behind the flow's id and "
    "the entry",
    "calls": "Calls that a debounced job stands for",
    "held": "1 while it waits for its turn, as its key is another job's, or for places of the "
    "limits of its flow",
    "forked_from": "Job whose deliveries this one has begun with",
    "forks": "The latest 10 jobs that began with deliveries of this one, the newest first",
    "undo": "Of an ended job that is undone: the job that does it; `waits` while a handler runs, "
    "`nothing` when nothing was committed, `undefined` without the definition",
    "undoes": "The job that this one undoes",
    "parent": "Job and invocation that wait for this one, if a handler has started it",
    "schedule": "Schedule that has started it",
    "scheduled": "Time, in seconds, for which it has",
    # limits
    "window": "`max_in_flight`: invocations that may be queued and running at once",
    "keep": "Retention after the end, in milliseconds",
    "history_limit": "Entries of the history that are kept, about",
    "output_limit": "Outputs that are kept",
    # counters
    "queued": "Invocations with a message on a broker list",
    "running": "Invocations with a lease",
    "waiting": "Invocations that are parked",
    "timers": "Invocations on a timer",
    "staged": "Committed emissions that are staged and not yet released",
    "last": "Number of the latest invocation",
    "stopped": "Invocations that have stopped at breakpoints",
    "expected": "Answers that are expected",
    "at_limits": "Invocations that wait for a place of a limit",
    "output_count": "Outputs, also those that are not kept",
    "retries": "How often the job was retried",
    # its life
    "status": "Where the job stands",
    "created": "When it was submitted",
    "due": "When it is to start, if it was put off; it is kept behind the start",
    "start_within": "Milliseconds from the submission, or from `due`, in which it is to start",
    "start_by": "When that is over",
    "finish_within": "The same for its end; after a retry that gives it, from the retry",
    "finish_by": "When that is over",
    "late": "The latest time of its flow from which it is late that has passed, by its name",
    "started": "When its first invocation was claimed",
    "updated": "When the row was saved last",
    "continued": "When it was resumed or retried last",
    "ended": "When it ended",
    "reason": "Why it is paused, has failed or was cancelled: one line",
    "by": "Who has paused or cancelled it; empty where FlowForge itself has",
    "error": "What made it fail: a packed error record, or a code that readers translate",
    "cause": "Routine, type and place of that error, and when it failed the job, a line each",
    "checkpoint": "Packed data that the latest pause has kept",
    # control
    "request": "The latest request of control, so that one that is sent twice is met once",
    "inputs": "Bytes of the params that are kept of its invocations; absent: none are",
    "starts": "1 if its handlers have started jobs",
    "logs": "1 if lines that its handlers logged may be kept",
    "retried": "1 if it was retried with its parent, until a retry of its own is asked for",
}


def table() -> str:
    """The fields as the internals page has them."""
    rows = [f"| `{name}` | {meaning}. |" for name, meaning in FIELDS.items()]
    return "\n".join(["| Field | Meaning |", "|---|---|", *rows, ""])
