"""Undoing jobs of two servers, while workers and servers die."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import Bulk, Flow, JobState
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import StoreUnavailableError
from flowforge.model.jobs.undo import Undo
from tests.integration.installation import LIMIT, kinds
from tests.integration.pair import Pair, paired_servers
from tests.integration.undo_flows import Halting, Tour, Wait, noted, trips
from tests.support.eventually import eventually

FLOWS = "tests.integration.undo_flows"


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two servers without a worker."""
    with paired_servers(tmp_path, monkeypatch, (FLOWS,)) as found:
        yield found


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """For the job of each server, where the vendors keep what it has booked."""
    folders = [tmp_path / "vendors-a", tmp_path / "vendors-b"]
    for folder in folders:
        folder.mkdir()
    return [str(folder / "booked") for folder in folders]


def one_on_each(pair: Pair, flow: Flow, files: list[str]) -> list[JobState]:
    """A job of the flow on each server."""
    template = JobTemplate(flow, next(iter(flow.routines)))
    return [
        JobState(engine.submit(template, {"file": file, "trip": 7}))
        for engine, file in zip(pair.engines.each, files, strict=True)
    ]


def let_go(files: list[str], name: str) -> None:
    """Let the undoes go on that halt, or are refused, until this file is there."""
    for file in files:
        Path(file).with_name(name).touch()


def undone(job: JobState, status: str = "done") -> JobState:
    """The job that has undone this one."""
    eventually(lambda: job.undo is not None and job.undo.status == status, LIMIT)
    assert job.undo is not None
    return JobState(str(job.undo.job_id))


def committed(job: JobState) -> list[int | None]:
    """The invocations that were committed, in order."""
    return [one.invocation for one in job.get_execution_history() if one.kind == "completed"]


def test_jobs_are_undone_on_their_servers(pair: Pair, files: list[str]) -> None:
    """An undoing job is where its job is, and is found among those of both."""
    pair.fleet.start(pool="threads", concurrency=4)
    flow = trips()
    others = [undone(job) for job in one_on_each(pair, flow, files)]
    names = [engine.store.server_name for engine in pair.engines.each]
    assert [job.job_id.partition("-")[0] for job in others] == names
    assert list(map(pair.server_of, others)) == [0, 1]
    found = JobState.find(flow=f"{flow.flow_id} (undo)", status="completed")
    assert {job.job_id for job in found} == {job.job_id for job in others}
    for file in files:
        assert noted(file) == ["room 7", "car 7", "undo car-7", "undo room-7"]


def test_child_jobs_are_undone_on_the_server_of_their_parent(pair: Pair, files: list[str]) -> None:
    """One bulk operation cancels the parents of both, which takes their child jobs along."""
    pair.fleet.start(pool="threads", concurrency=4)
    flow = Flow()
    flow.add_routine(Tour, "tour")
    parents = one_on_each(pair, flow, files)
    eventually(lambda: all("waits" in noted(file) for file in files), LIMIT)
    children = [job for parent in parents for job in JobState.find(parent=parent.job_id)]
    Bulk.cancel(parents, reason="recall", undo=True).wait(LIMIT)
    for jobs in (parents, children):
        assert [pair.server_of(undone(job)) for job in jobs] == [0, 1]
        assert [job.status for job in jobs] == ["cancelled"] * 2
    for file in files:
        assert [line for line in noted(file) if "tour" not in line] == [
            "room 7", "car 7", "waits", "undo car-7", "undo room-7",
        ]  # fmt: skip
        assert noted(file).count("undo tour 7") == 1


def halted(pair: Pair, files: list[str]) -> list[JobState]:
    """A job on each server whose car is being undone: that halts."""
    jobs = one_on_each(pair, trips(Wait, car=Halting), files)
    eventually(lambda: all("waits" in noted(file) for file in files), LIMIT)
    for job in jobs:
        job.cancel(undo=True)
    eventually(lambda: all("halts car-7" in noted(file) for file in files), LIMIT)
    return jobs


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_is_killed_while_it_compensates(pair: Pair, files: list[str], pool: str) -> None:
    """Another one calls the undo once more, and goes on; each compensation is committed once."""
    worker = pair.fleet.start(pool=pool, concurrency=4)
    jobs = halted(pair, files)
    pair.fleet.kill(worker)
    pair.fleet.start(pool=pool, concurrency=4)
    twice = ["halts car-7"] * 2
    eventually(lambda: all(noted(file)[3:] == twice for file in files), LIMIT)
    let_go(files, "go")
    for job in jobs:
        other = undone(job)
        assert committed(other) == [1, 2]
        assert kinds(other).count("lost") == 1
    for file in files:
        assert noted(file)[3:] == [*twice, "undo car-7", "undo room-7"]


def test_a_worker_is_killed_whose_handler_an_undo_waits_for(pair: Pair, files: list[str]) -> None:
    """What it had not committed is not undone; the undo begins when its lease has ended."""
    worker = pair.fleet.start(pool="threads", concurrency=4)
    jobs = one_on_each(pair, trips(slow=True), files)
    eventually(lambda: all("books car" in noted(file) for file in files), LIMIT)
    # Else its handlers would find out that their jobs have ended, and commit.
    os.killpg(worker.process.group, signal.SIGSTOP)
    for job in jobs:
        job.cancel(undo=True)
        assert job.undo == Undo("waiting")
    pair.fleet.kill(worker)
    pair.fleet.start(pool="threads", concurrency=4)
    for job, file in zip(jobs, files, strict=True):
        assert committed(undone(job)) == [1]
        assert noted(file) == ["room 7", "books car", "undo room-7"]


def test_a_server_is_killed_while_its_job_is_undone(pair: Pair, files: list[str]) -> None:
    """The undo on the other server goes on meanwhile, and this one when its server is back."""
    pair.fleet.start(pool="threads", concurrency=4)
    here, there = halted(pair, files)
    pair.servers[1].kill()
    let_go(files, "go")
    undone(here)
    with pytest.raises(StoreUnavailableError):
        _ = there.undo
    pair.servers[1].restart()
    assert committed(undone(there)) == [1, 2]
    # The undo of the car may have been called again, the commit of its end having been lost.
    rest = [line for line in noted(files[1]) if line.startswith("undo")]
    assert list(dict.fromkeys(rest)) == ["undo car-7", "undo room-7"]
    assert rest[-1] == "undo room-7"


def test_undoes_that_failed_on_both_servers_are_retried_as_one(
    pair: Pair, files: list[str]
) -> None:
    """The doctor warns of those of both, and one command retries them."""
    pair.fleet.start(pool="threads", concurrency=4)
    flow = trips(refuses=True)
    jobs = one_on_each(pair, flow, files)
    for job in jobs:
        undone(job, "failed")
    findings = json.loads(pair.run("doctor", "--json").stdout)["findings"]
    assert [one["level"] for one in findings if one["check"] == "undo"] == ["warn"] * 2
    let_go(files, "open")
    pair.run("retry", "--all-matching", "--flow", f"{flow.flow_id} (undo)", "--yes")
    for job in jobs:
        undone(job)
    for file in files:
        assert noted(file) == ["room 7", "car 7", "undo car-7", "undo room-7"]
