"""Looks at a fleet, as a reader would return them."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from flowforge.cli.fleet_screen.look import Look, OpenJob, RoutineTotals, View
from flowforge.cli.fleet_screen.state import Screen
from flowforge.engine.fleet.queues import QueueReport
from flowforge.engine.fleet.server_fleet import ServerFleet
from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.worker_reports import WorkerReport
from flowforge.store.job_reads.job_rows import JobDetails, JobSummary

AT = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)

HOSTILE = "\x1b[31mred\u202e<script>\n\u4ed8\u6b3e" + "x" * 200


def job(number: int, status: JobStatus = JobStatus.RUNNING, flow_id: str = "orders") -> JobSummary:
    return JobSummary(f"j{number}", flow_id, status, None, AT, AT, {"running": 1}, {})


def look(screen: Screen, *jobs: JobSummary, **parts: Any) -> Look:
    """What a reader returns for what the screen wants."""
    counts = Counter(one.status.value for one in jobs)
    return Look(
        screen.wanted, AT, {status.value: counts[status.value] for status in JobStatus}, [],
        list(jobs), **parts,
    )  # fmt: skip


def screen_with(*jobs: JobSummary, view: View = View.JOBS, **parts: Any) -> Screen:
    screen = Screen(view)
    screen.see(look(screen, *jobs, **parts), 0.0)
    return screen


def press(screen: Screen, *keys: str) -> Any:
    """The keys one after the other; what the last one asks for."""
    found = None
    for key in keys:
        found = screen.press(key)
    return found


def fleet() -> ServerFleet:
    worker = WorkerReport("w1", 30, 7, "prefork", 4, frozenset({"celery"}), frozenset({"a.B"}))
    queue = QueueReport("gpu", 12, 1, (), "flowforge worker -Q gpu")
    return ServerFleet(
        "", [worker], [], "", [queue], True, [], Counter(), 0, True, "flowforge worker"
    )  # fmt: skip


def totals(done: int) -> RoutineTotals:
    return RoutineTotals("orders", "charge", done, 1, 2, 0, 0.25)


def opened(summary: JobSummary) -> OpenJob:
    details = JobDetails("charge.input", 0, AT, None, {}, "d", None, 0)
    counts = dict.fromkeys(
        ("completed", "running", "retried", "failed", "lost", "error_continued", "skipped"), 0
    )
    error = {"when": AT, "type": "ValueError", "message": HOSTILE, "at": ""}
    state = {"status": "failed", **counts, "failed": 1, "total_seconds": 1.0, "last_error": error}
    finding = JobFinding("failed", "it failed: no money", command="flowforge retry j1")
    return OpenJob(summary, details, {"charge": state}, [finding])
