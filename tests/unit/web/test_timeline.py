"""What the timeline of a job makes of its history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.web.timeline import WIDTH, Row, timeline

_BEGIN = datetime.now(UTC) - timedelta(hours=1)
_ids = count(1)


def at(seconds: float) -> datetime:
    return _BEGIN + timedelta(seconds=seconds)


def entry(kind: str, when: float, number: int | None = None, **details: Any) -> HistoryEntry:
    routine_id, slot = (None, None) if number is None else ("r", "input")
    return HistoryEntry(f"{next(_ids)}-0", at(when), kind, number, routine_id, slot, details)


def attempt(
    kind: str, when: float, took: float, number: int = 1, place: int = 1, **more: float
) -> HistoryEntry:
    return entry(kind, when, number, worker="w1", attempt=place, seconds=took, emitted={}, **more)


def rows(*history: HistoryEntry, findings: tuple[JobFinding, ...] = ()) -> list[Row]:
    found = timeline(["r"], history, findings, at(0))
    return [] if found is None else found.rows


def told(row: Row) -> list[tuple[str, float]]:
    """Causes and outcome, with their seconds."""
    spans = row.waits if row.run is None else [*row.waits, row.run]
    return [(span.word, round(span.seconds, 3)) for span in spans]


def test_a_job_that_nothing_has_happened_to_has_none() -> None:
    assert timeline(["r"], [], [], at(0)) is None


def test_waiting_and_running_are_apart() -> None:
    """The first invocation waits since the job was there, each next attempt since the last one."""
    found = rows(attempt("retried", 5, 2), attempt("completed", 16, 1, place=2))
    assert [told(row) for row in found] == [
        [("queue", 3), ("retried", 2)],
        [("next attempt", 10), ("completed", 1)],
    ]
    first, second = found[0].run, found[1].run
    assert first is not None
    assert second is not None
    assert (first.x, second.x) == (WIDTH * 3 / 16, WIDTH * 15 / 16)
    assert second.x + second.width == WIDTH


def test_what_was_emitted_waits_on_the_broker_list() -> None:
    """Where the history says for how long; what is known of a later attempt counts for it."""
    (row,) = rows(attempt("completed", 9, 4, number=7))
    assert told(row) == [("completed", 4)]
    found = rows(
        attempt("retried", 9, 4, number=7, queued=2.5),
        attempt("completed", 16, 1, number=7, place=2, queued=3.0),
    )
    assert [told(row) for row in found] == [
        [("queue", 2.5), ("retried", 4)],
        [("next attempt", 6), ("completed", 1)],
    ]


def test_a_wait_has_its_causes() -> None:
    """A pause, the time in which the job had failed, and the loss of a worker."""
    found = rows(
        entry("paused", 1),
        entry("resumed", 4, by="kim"),
        attempt("failed", 7, 1),
        entry("retry", 20, by="kim"),
        entry("lost", 30, 1, worker="w1"),
        attempt("completed", 35, 2, place=2),
    )
    assert [told(row) for row in found] == [
        [("queue", 1), ("paused", 3), ("queue", 2), ("failed", 1)],
        [("queue", 3), ("completed", 2)],
    ]
    found = rows(attempt("failed", 7, 7), entry("retry", 20), attempt("completed", 25, 2, place=2))
    assert told(found[1]) == [("failed job", 13), ("retry", 3), ("completed", 2)]


def test_what_runs_and_what_waits_now() -> None:
    """As explain finds it."""
    since = datetime.now(UTC) - timedelta(seconds=60)
    findings = (
        JobFinding("running", "", since, None, None, 3, "r", "input", 1, {"attempt": 2}),
        JobFinding("timer", "", since, None, None, 4, "r", "input"),
        JobFinding("parked", "", since),
    )
    running, waiting = rows(findings=findings)
    assert [(word, round(seconds)) for word, seconds in told(running)] == [("running", 60)]
    assert running.attempt == 2
    assert [(word, round(seconds)) for word, seconds in told(waiting)] == [("next attempt", 60)]
    assert waiting.run is None


def test_only_the_latest_attempts_of_a_routine() -> None:
    """However many there are."""
    found = rows(*(attempt("completed", n, 0.001, number=n) for n in range(1, 100)))
    assert [row.invocation for row in found] == list(range(94, 100))
    assert all(row.run is not None and row.run.width >= 3 for row in found)


def test_a_breakpoint_is_a_cause_of_its_own() -> None:
    """From the stop to the step; what comes before and behind it waits in the queue."""
    found = rows(
        entry("stopped", 2, 1), entry("let_go", 10, 1, by="kim"), attempt("completed", 13, 1)
    )
    assert told(found[0]) == [("queue", 2), ("breakpoint", 8), ("queue", 2), ("completed", 1)]
    found = rows(
        entry("stopped", 2, 7), entry("stopped", 3, 8), entry("let_go", 10, by="kim"),
        attempt("completed", 13, 1, number=7), attempt("completed", 14, 1, number=8),
    )  # fmt: skip
    assert [told(row) for row in found] == [
        [("breakpoint", 8), ("queue", 2), ("completed", 1)],
        [("breakpoint", 7), ("queue", 3), ("completed", 1)],
    ]


def test_what_is_at_a_breakpoint_now() -> None:
    """Until it is let go, skipped by hand, or the job is cancelled."""
    stopped = entry("stopped", 2, 7)
    (row,) = rows(stopped)
    assert row.run is None
    assert [span.word for span in row.waits] == ["breakpoint"]
    assert rows(stopped, entry("skipped_by_hand", 5, 7, by="kim")) == []
    assert rows(stopped, entry("cancelled", 5, reason="")) == []
    assert rows(stopped, entry("let_go", 5, 7)) == []


def test_the_wait_at_a_limit_is_apart() -> None:
    """Of an invocation, of the whole job before its first one, and what waits now."""
    whole = HistoryEntry("0-1", at(20), "waited_at_limit", None, None, None, {"seconds": 15.0})
    finding = JobFinding(
        "limit", "it waits for the limit vendor", since=at(60), invocation=3, routine_id="r"
    )
    found = rows(
        whole,
        attempt("completed", 25, 4),
        entry("waited_at_limit", 40, 2, limit="vendor", seconds=10.0),
        attempt("retried", 45, 3, number=2),
        entry("waited_at_limit", 58, 2, limit="vendor", seconds=60.0),
        attempt("completed", 59, 1, number=2, place=2),
        findings=(finding,),
    )
    assert [told(row) for row in found[:3]] == [
        [("queue", 5), ("limit", 15), ("queue", 1), ("completed", 4)],
        [("limit", 10), ("queue", 2), ("retried", 3)],
        [("limit", 13), ("completed", 1)],
    ]
    assert [span.word for span in found[3].waits] == ["limit"]
    assert found[3].run is None
