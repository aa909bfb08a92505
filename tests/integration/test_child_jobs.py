"""Jobs that start jobs, and the bound of a pause, on a worker whose threads are busy."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from flowforge import Flow, JobState
from flowforge.local.server import LocalServer
from flowforge.store.job_reads.job_rows import JobRows
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


# --- started in other ways -------------------------------------------------------------------


def start_any(mended: Path, **how: Any) -> JobState:
    """A job whose handler starts one of ``mendable``."""
    params = {"mended": str(mended), **how}
    return child_job_flows.starts_any.execute("it", params, priority=3, labels={"a": "1"})


def own(parent: JobState) -> JobState:
    """The job that it has started, once its commit has made it known."""

    def known() -> str | None:
        stats = parent.routine_states.get("it", {}).get("stats", {})
        return str(stats["job"]) if "job" in stats else None

    return JobState.get(str(eventually(known, message="the id of the started job")))


GOES_ON = {"event": "done", "on_failure": "continue"}


@pytest.mark.usefixtures("threads")
def test_a_parent_goes_on_after_a_failure(tmp_path: Path) -> None:
    """And after a cancel; the event says what happened to which job. Without one it says None."""
    failed = start_any(tmp_path / "never", **GOES_ON)
    (output,) = failed.result(LIMIT)
    assert output.params == {
        "job_id": own(failed).job_id, "outputs": [],
        "failure": output.params["failure"],
    }  # fmt: skip
    begins = f"child job {own(failed).job_id} of this routine has failed: it.input: ValueError: not"
    assert output.params["failure"].startswith(begins)
    later = start_any(tmp_path / "never", delay=60, **GOES_ON)
    child = own(later)
    assert (child.starts_at is not None, child.labels) == (True, {"a": "1"})
    child.cancel("no more")
    assert "was cancelled: no more" in later.result(LIMIT)[0].params["failure"]
    (tmp_path / "mended").touch()
    assert start_any(tmp_path / "mended", **GOES_ON).result(LIMIT)[0].params["failure"] is None


def test_a_parent_goes_on_though_its_child_job_is_gone(
    threads: Installation, tmp_path: Path
) -> None:
    """It was paused for longer than the child job was kept."""
    job = start_any(tmp_path / "never", delay=60, **GOES_ON)
    child = own(job)
    job.pause()
    child.cancel()
    threads.redis.delete(threads.key("job", child.job_id))
    job.resume()
    assert (
        f"child job {child.job_id} of this routine is gone"
        in (job.result(LIMIT)[0].params["failure"])
    )


def test_a_detached_job_is_one_of_its_own(threads: Installation, tmp_path: Path) -> None:
    """Its starter completes before it, and neither hears of the other; it inherits as others do."""
    parent = start_any(tmp_path / "never", detached=True, delay=60)
    assert parent.wait(LIMIT).status == "completed"
    child = own(parent)
    parent.delete()
    assert (child.status, child.labels) == ("pending", {"a": "1"})
    row = JobRows(threads.engine.store).row(child.job_id)
    assert (row["priority"], "parent" in row) == (b"3", False)
    assert row["started_by"] == f"{parent.job_id}/1.0.0".encode()
    child.start_now()
    assert child.wait(LIMIT).status == "failed"
    (tmp_path / "never").touch()
    child.retry()
    assert child.wait(LIMIT).status == "completed"


@pytest.mark.usefixtures("threads")
def test_a_child_job_that_is_put_off_ends_with_its_parent(tmp_path: Path) -> None:
    """The parent waits for it; its cancel reaches it before its time."""
    parent = start_any(tmp_path / "never", delay=3600, event="done")
    child = own(parent)
    assert parent.status == "running"
    assert child.job_id in parent.explain()[0].what
    parent.cancel()
    assert child.wait(LIMIT).status == "cancelled"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "start needs the event that the end of the job emits, or detached=True"),
        ({"event": "done", "detached": True}, "a detached job has neither event nor on_failure"),
        ({"event": "done", "detached": "no"}, "detached must be True or False, not 'no'"),
        ({"event": "done", "on_failure": "go"}, "on_failure must be 'stop' or 'continue'"),
        ({"event": "done", "delay": -1}, "delay must be from 0 seconds"),
    ],
)
@pytest.mark.usefixtures("threads")
def test_a_wrong_start_fails_its_handler(tmp_path: Path, how: dict[str, Any], said: str) -> None:
    """With what fits; nothing is started."""
    job = start_any(tmp_path / "never", **how).wait(LIMIT)
    assert job.status == "failed"
    assert said in str(job.reason)
    assert "job" not in job.routine_states["it"]["stats"]
