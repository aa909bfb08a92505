"""How far a job is, by what is counted of it."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from flowforge import Flow, routine
from flowforge.engine.progress import job_progress
from flowforge.model.definition import Definition
from flowforge.model.jobs.job_progress import JobProgress, Share
from flowforge.model.jobs.status import AttemptOutcome, JobStatus
from flowforge.store.job_reads.routine_states import COUNTERS
from flowforge.store.job_reads.work_counts import WorkCounts
from flowforge.store.job_reads.work_left import WORK

AT = datetime(2013, 1, 1, tzinfo=UTC)


@routine(events=["out"])
def step(self: Any) -> None:
    """Anything."""


def chain(*names: str, loop: bool = False) -> Definition:
    """The routines, each of which feeds the next one; the last one itself, if it is a loop."""
    flow = Flow("flow")
    for name in names:
        flow.add_routine(step, name)
    for source, target in pairwise(names):
        flow.connect(source, "out", target, "input")
    if loop:
        flow.connect(names[-1], "out", names[-1], "input")
    return flow.definition()


def state(completed: int, **more: Any) -> dict[str, Any]:
    """Of a routine that has completed so many invocations, in two seconds each."""
    found = {**dict.fromkeys(COUNTERS, 0), "running": 0, "status": "completed", **more}
    outcomes = [str(outcome) for outcome in AttemptOutcome]
    found["completed"] = completed
    found["started"] = found["running"] + sum(found[name] for name in outcomes)
    return {**found, "total_seconds": 2.0 * completed}


def counted(states: dict[str, dict[str, Any]], **changes: Any) -> WorkCounts:
    by_routine = changes.get("by_routine", {})
    ended = sum(
        one["completed"] + one["skipped"] + one["error_continued"] for one in states.values()
    )
    uncommitted = changes.pop("uncommitted", sum(by_routine.values()))
    found: dict[str, Any] = {
        "status": JobStatus.RUNNING,
        "counts": dict.fromkeys(WORK, 0),
        "created": ended + uncommitted, "uncommitted": uncommitted, "collecting": 0,
        "children": 0, "staged": 0, "max_in_flight": 1000, "created_at": AT, "ended_at": None,
        "by_routine": {}, "sampled": False, "staged_by": {}, "states": states,
        "entered_once": True,
    }  # fmt: skip
    return WorkCounts(**{**found, **changes})


def progress(
    definition: Definition, states: dict[str, dict[str, Any]], **changes: Any
) -> JobProgress:
    return job_progress("j1", definition, counted(states, **changes), lambda index: None)


def shares(found: JobProgress) -> dict[str, str]:
    """``done/total`` of each routine, with a plus where more may come."""
    return {one.routine_id: told(one) for one in found.routines}


def told(share: Share) -> str:
    return f"{share.done}/{share.total}{'' if share.total_is_final else '+'}"


def test_a_total_is_final_when_all_that_could_emit_has_ended() -> None:
    """A routine behind one that goes on may get more, and so may the job."""
    found = progress(
        chain("split", "convert", "save"),
        {"split": state(1), "convert": state(40, running=2), "save": state(39)},
        by_routine={1: 60, 2: 1},
    )
    assert shares(found) == {"split": "1/1", "convert": "40/100", "save": "39/40+"}
    assert told(found) == "80/141+"
    assert [one.percent for one in found.routines] == [100, 40, None]
    assert found.percent is None


def test_the_last_routine_makes_the_total_of_the_job_final() -> None:
    """Then there is a percentage, which is rounded down: 100 is the end."""
    found = progress(
        chain("split", "convert"), {"split": state(1), "convert": state(998)}, by_routine={1: 2}
    )
    assert told(found) == "999/1001"
    assert found.percent == 99


def test_a_loop_that_goes_on_may_always_get_more() -> None:
    """Its own handlers emit to it."""
    definition = chain("start", "again", loop=True)
    states = {"start": state(1), "again": state(5, running=1)}
    assert shares(progress(definition, states, by_routine={1: 1})) == {
        "start": "1/1",
        "again": "5/6+",
    }
    assert shares(progress(definition, states)) == {"start": "1/1", "again": "5/5"}


def test_what_is_staged_counts_where_it_can_only_go() -> None:
    """The store counts it by who has emitted it: of two targets neither is known."""
    states = {"split": state(1), "convert": state(10)}
    found = progress(
        chain("split", "convert"), states, by_routine={1: 32}, staged=958, staged_by={0: 958}
    )
    assert shares(found) == {"split": "1/1", "convert": "10/1000"}
    assert told(found) == "11/1001"
    flow = Flow("flow")
    for name in ("split", "left", "right", "behind"):
        flow.add_routine(step, name)
    for source, target in (("split", "left"), ("split", "right"), ("left", "behind")):
        flow.connect(source, "out", target, "input")
    found = progress(flow.definition(), {"split": state(1)}, staged=300, staged_by={0: 300})
    assert shares(found) == {"split": "1/1", "left": "0/0+", "right": "0/0+", "behind": "0/0+"}
    assert told(found) == "1/301+"
    unknown = progress(chain("split", "convert"), states, staged=300, staged_by=None)
    assert shares(unknown) == {"split": "1/1+", "convert": "10/10+"}


def test_a_sample_proves_nothing_of_what_it_lacks() -> None:
    """But a routine that no other feeds has one invocation at most."""
    found = progress(
        chain("split", "convert", "save"),
        {"split": state(1), "convert": state(7)},
        by_routine={1: 5000}, uncommitted=5000, sampled=True,
    )  # fmt: skip
    assert shares(found) == {"split": "1/1", "convert": "7/5007", "save": "0/0+"}
    assert [one.is_estimate for one in found.routines] == [False, True, False]
    forked = progress(
        chain("split", "convert"),
        {"split": state(1), "convert": state(7)},
        by_routine={1: 5000}, uncommitted=5000, sampled=True, entered_once=False,
    )  # fmt: skip
    assert shares(forked) == {"split": "1/1+", "convert": "7/5007+"}
    deeper = progress(
        chain("split", "convert", "save"),
        {"split": state(1), "convert": state(7), "save": state(1)},
        by_routine={2: 5000}, uncommitted=5000, sampled=True,
    )  # fmt: skip
    assert shares(deeper)["save"] == "1/5001+"


def test_an_error_that_was_passed_over_is_done() -> None:
    """A retry, a loss and the failure of the job are not: the invocation is still there."""
    more = {"error_continued": 2, "skipped": 1, "retried": 4, "lost": 1, "failed": 1}
    states = {"it": state(3, status="failed", **more)}
    found = progress(chain("it"), states, status=JobStatus.FAILED, by_routine={0: 1})
    (it,) = found.routines
    assert told(it) == "6/7"
    assert (it.retried, it.lost, it.failed, it.error_continued, it.skipped) == (4, 1, 1, 2, 1)


def test_a_quarantined_invocation_has_failed() -> None:
    """Although none of its attempts has: each was lost."""
    found = progress(chain("it"), {"it": state(0, lost=3, status="failed")}, by_routine={0: 1})
    assert (found.routines[0].failed, found.routines[0].lost) == (1, 3)


def test_of_a_cancelled_job_the_rest_is_not_done() -> None:
    """What was dropped is counted no more; a completed job is complete."""
    states = {"split": state(1), "convert": state(3)}
    found = progress(
        chain("split", "convert"), states, status=JobStatus.CANCELLED, created=101, uncommitted=0
    )
    assert told(found) == "4/101+"
    found = progress(chain("split", "convert"), states, status=JobStatus.COMPLETED)
    assert (told(found), found.percent) == ("4/4", 100)


@pytest.mark.parametrize(
    ("status", "queued", "cause"),
    [
        ("paused", 0, "paused"), ("failed", 0, "failed"), ("running", 32, "in_turn"),
        ("running", 93, "max_in_flight"),
    ],
)  # fmt: skip
def test_what_waits_is_told_by_its_cause(status: str, queued: int, cause: str) -> None:
    """In the words of explain; what there is none of is left out."""
    counts = {
        "queued": queued, "running": 1, "parked": 5, "timers": 2, "staged": 7, "stopped": 3,
        "expected": 4, "at_limits": 6,
    }  # fmt: skip
    found = progress(
        chain("it"), {}, status=JobStatus(status), counts=counts, staged=6, max_in_flight=100,
        children=3,
    )  # fmt: skip
    assert found.running == 1
    expected = {
        "queued": queued, "timer": 2, "breakpoint": 3, "limit": 6, "expects": 4, "child": 3,
        cause: 11,
    }  # fmt: skip
    assert found.waiting == {name: count for name, count in expected.items() if count}


def test_the_usual_time_of_a_routine_is_its_own_first() -> None:
    """That of former jobs is asked for where something waits and nothing has ended."""
    work = counted({"split": state(1)}, by_routine={1: 3})
    asked: list[int] = []

    def usual(index: int) -> float | None:
        asked.append(index)
        return 0.5

    found = job_progress("j1", chain("split", "convert", "save"), work, usual)
    assert [one.usual_seconds for one in found.routines] == [2.0, 0.5, None]
    assert asked == [1]
