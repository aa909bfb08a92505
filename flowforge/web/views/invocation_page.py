"""One invocation: where it is, what it was given, and each of its attempts; and lists of many."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flowforge.engine.engine import Engine
from flowforge.model.definition import Definition
from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.status import COMMITTED, FINAL, AttemptOutcome, JobStatus
from flowforge.store.invocation_reads.invocation_lists import InvocationList, InvocationLists
from flowforge.store.invocation_reads.invocation_looks import (
    IDLE,
    InvocationLook,
    InvocationReader,
    InvocationState,
)
from flowforge.store.invocation_reads.latest_lines import latest_lines
from flowforge.store.job_reads.job_rows import JobDetails, JobSummary
from flowforge.web.page import Call, Page, View
from flowforge.web.security.identity import Role

#: Log lines on the page, the latest ones.
_LINES = 200

#: What is told of where an invocation is.
_STATES = {
    InvocationState.QUEUED: "queued",
    InvocationState.RUNNING: "running",
    InvocationState.PARKED: "parked",
    InvocationState.STOPPED: "stopped",
    InvocationState.TIMER: "on a timer",
    InvocationState.CHILD: "waits for a child job",
    InvocationState.EXPECTED: "expects an answer",
    InvocationState.ENDED: "ended",
}

#: Kinds of entries that say how an invocation ended.
_ENDS = frozenset({*COMMITTED, AttemptOutcome.FAILED, "skipped_by_hand"})


def invocation(call: Call) -> View:
    """The page of an invocation."""
    job_id, number = call.path("job_id"), int(call.path("number"))
    engine = call.engine(job_id)
    definition = engine.inspector.definition(job_id)
    look = InvocationReader(engine.store, job_id, definition).look(number)
    if look is None:
        return no_invocation(job_id, number)
    return View("invocation.html", shown(engine, job_id, definition, look))


def no_invocation(job_id: str, number: int) -> View:
    """There is no trace of an invocation of this number."""
    text = f"Job {job_id} has no invocation {number}, or its history does not tell of it any more."
    return View("message.html", {"title": "There is no such invocation", "text": text}, 404)


def shown(
    engine: Engine, job_id: str, definition: Definition, look: InvocationLook
) -> dict[str, Any]:
    """What the page shows of an invocation."""
    summary, details = engine.inspector.describe(job_id)
    return {
        "job": summary,
        "look": look,
        "word": state_of(look),
        "findings": _about(engine.explain(job_id), look),
        "goes": [c for c in definition.connections if c.source_routine_id == look.routine_id],
        "lines": latest_lines(engine.store, job_id, definition, _LINES, look.number),
        "most_lines": _LINES,
        "actions": actions_of(look, summary, details),
        "operator": Role.OPERATOR,
    }


def state_of(look: InvocationLook) -> str:
    """One word for where it is; how it ended, where the history says so."""
    if look.state is not InvocationState.ENDED:
        return _STATES[look.state]
    ends = [entry.kind for entry in look.entries if entry.kind in _ENDS]
    return ends[-1].replace("skipped_by_hand", "skipped") if ends else "ended"


def actions_of(look: InvocationLook, job: JobSummary, details: JobDetails) -> list[tuple[str, str]]:
    """What operators can do about an invocation now: the end of the address, and the word."""
    # A job that is undone is never retried, so nothing of it can be mended.
    mends = job.status not in FINAL and not job.is_undone
    idle = look.state in IDLE and mends
    on_timer = look.state is InvocationState.TIMER
    expected = look.state is InvocationState.EXPECTED and mends
    fits = {
        ("answer", "Answer"): expected,
        ("step", "Step"): look.state is InvocationState.STOPPED and mends,
        ("edit", "Edit"): idle and look.given.params is not None,
        ("skip", "Skip"): idle or expected,
        ("run-now", "Run now"): on_timer and job.status in (JobStatus.PENDING, JobStatus.RUNNING),
        ("reschedule", "Reschedule"): expected or (on_timer and mends),
        ("fork", "Fork"): look.given.params is not None and details.undoes is None,
    }
    return [action for action, does in fits.items() if does]


def _about(findings: list[JobFinding], look: InvocationLook) -> list[JobFinding]:
    """Those about the invocation; of one that waits, also those about the whole job."""
    waits = look.state in (InvocationState.PARKED, InvocationState.QUEUED)
    return [
        one
        for one in findings
        if one.invocation == look.number
        or (waits and one.invocation is None and not one.routine_id)
    ]


def invocations(call: Call) -> View:
    """The invocations of a routine that are in one state."""
    job_id = call.path("job_id")
    engine = call.engine(job_id)
    definition = engine.inspector.definition(job_id)
    names = [spec.id for spec in definition.routines]
    routine = call.query.get("routine", names[0])
    lists = InvocationLists(engine.store, job_id, definition)
    state, found = _chosen(lists, definition.index(routine), call)
    following = None
    if found.following is not None:
        following = urlencode({"routine": routine, "state": state, "after": found.following})
    summary, _ = engine.inspector.describe(job_id)
    return View(
        "invocations.html",
        {
            "job": summary,
            "names": names,
            "routine": routine,
            "states": {name: _LISTS[name] for name in lists.states},
            "state": state,
            "found": found,
            "following": following,
            "first": "after" not in call.query,
        },
    )


#: What each list has, for people.
_LISTS = {
    "running": "running", "timer": "on a timer", "parked": "parked",
    "stopped": "stopped", "failed": "failed",
}  # fmt: skip


def _chosen(lists: InvocationLists, routine: int, call: Call) -> tuple[str, InvocationList]:
    """The list that was asked for; else the first that is not empty."""
    if asked := call.query.get("state"):
        return asked, lists.of(routine, asked, call.query.get("after"))
    first: tuple[str, InvocationList] | None = None
    for state in lists.states:
        found = lists.of(routine, state)
        if found.rows:
            return state, found
        first = first or (state, found)
    assert first is not None
    return first


PAGES = [
    Page("/jobs/{job_id}/invocations", invocations),
    Page("/jobs/{job_id}/invocations/{number:int}", invocation),
]
