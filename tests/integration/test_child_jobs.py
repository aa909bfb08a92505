"""Jobs that start jobs, and the bound of a pause, on a worker whose threads are busy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from flowforge import Flow, JobState
from flowforge.local.server import LocalServer
from flowforge.store.job_rows import JobRows
from tests.integration import child_job_flows
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.support.eventually import eventually


@pytest.fixture(scope="module")
def threads(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """One worker with eight threads."""
    directory = tmp_path_factory.mktemp("child_jobs")
    with installed(server, directory, (child_job_flows.__name__,), **FAST) as shared:
        shared.fleet.start(pool="threads", concurrency=8)
        yield shared


def started(parent: JobState) -> JobState:
    """The job that a job has started."""
    engine = parent._engine
    jobs = engine.overview.newest("completed", 100) + engine.overview.newest("failed", 100)
    rows = {job_id: JobRows(engine.store).row(job_id) for job_id, _ in jobs}
    (child,) = [
        job_id
        for job_id, row in rows.items()
        if row.get("parent", b"").startswith(parent.job_id.encode())
    ]
    return JobState.get(child)


def test_jobs_are_started_at_a_join(threads: Installation) -> None:
    """Every one of them ends, and so does every job that has started one."""
    jobs = [child_job_flows.starts_gather.execute("it", {"i": i}) for i in range(20)]
    for job in jobs:
        assert job.wait(LIMIT).status == "completed"
        (output,) = job.outputs
        assert output.params["outputs"] == [
            {"routine_id": "it", "event": "sum", "params": {"n": 1}}
        ]


@pytest.mark.parametrize("order", ["gpc", "cpg", "pgc"])
def test_a_family_that_failed_is_retried_in_any_order(
    threads: Installation, tmp_path: Path, order: str
) -> None:
    """All three generations complete, though each retry finds the others as they are by then."""
    mended = tmp_path / "mended"
    labels = {"order": order}
    eldest = child_job_flows.generations.execute("it", {"mended": str(mended)}, labels=labels)
    assert eldest.wait(LIMIT).status == "failed"
    parent = started(eldest)
    lineage = {"g": eldest, "p": parent, "c": started(parent)}
    assert {job.status for job in lineage.values()} == {"failed"}
    assert {job.job_id for job in JobState.find(labels=labels)} == {
        j.job_id for j in lineage.values()
    }
    mended.touch()
    for name in order:
        lineage[name].retry()
    for job in lineage.values():
        assert job.wait(LIMIT).status == "completed"


@pytest.mark.parametrize(
    ("flow", "priority", "window"),
    [
        (child_job_flows.starts_gather, b"6", b"7"),
        (child_job_flows.starts_narrow, b"6", b"3"),
        (child_job_flows.starts_urgent, b"0", b"9"),
    ],
    ids=["of the starter", "of the flow", "given"],
)
def test_a_started_job_has_the_priority_and_the_window_of_its_starter(
    threads: Installation, flow: Flow, priority: bytes, window: bytes
) -> None:
    """What is given counts first, then what the flow says of itself."""
    job = flow.execute("it", {"i": 1}, priority=6, max_in_flight=7)
    assert job.wait(LIMIT).status == "completed"
    row = JobRows(threads.engine.store).row(started(job).job_id)
    assert (row["priority"], row["window"]) == (priority, window)
    assert row["suffix"] == (b"" if priority == b"0" else b"\x06\x166")


def test_no_handler_starts_after_a_pause_has_returned(
    threads: Installation, tmp_path: Path
) -> None:
    """Though the threads wait for each other between a claim and the handler's first line."""
    log = tmp_path / "starts"
    job = child_job_flows.busy.execute("many", {"n": 2000, "log": str(log)})
    pauses: list[tuple[int, int]] = []
    for _ in range(10):
        before = len(log.read_bytes()) if log.exists() else 0
        grown = before + 40
        eventually(lambda grown=grown: log.exists() and len(log.read_bytes()) > grown)  # type: ignore[misc]
        job.pause()
        returned = time.monotonic_ns()
        job.wait(LIMIT)
        pauses.append((returned, time.monotonic_ns()))
        job.resume()
    job.cancel()
    starts = sorted(int(line) for line in log.read_bytes().split())
    late = [(at - begin) / 1e6 for begin, end in pauses for at in starts if begin < at < end]
    assert late == []
    between = [(a[1], b[0]) for a, b in pairwise(pauses)]
    assert all(any(begin < at < end for at in starts) for begin, end in between)
