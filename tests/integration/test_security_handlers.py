"""User code that fails in ways nobody foresees fails its job, and no worker is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowforge import ErrorHandler, Routine
from flowforge.local.server import LocalServer
from tests.integration import hostile_flows
from tests.integration.flows import single
from tests.integration.hostile_flows import (
    Built,
    Merging,
    Raising,
    Sending,
    SetUp,
    Unbuilt,
    sent_to,
)
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds
from tests.support.fleet import Worker
from tests.unit.execution.strange_errors import STRANGE, UNSEARCHABLE


@pytest.fixture(scope="module")
def solo(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose worker has no process but its own."""
    directory = tmp_path_factory.mktemp("hostile")
    with installed(server, directory, (hostile_flows.__name__,), **FAST) as installation:
        installation.fleet.start(pool="solo")
        yield installation


@pytest.fixture
def threads(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """One whose worker has two threads, and takes eight messages at once."""
    with installed(server, tmp_path, (hostile_flows.__name__,), **FAST) as installation:
        installation.fleet.start(pool="threads")
        yield installation


@pytest.fixture
def worker(solo: Installation) -> Iterator[Worker]:
    """It is the same before and after each test."""
    (worker,) = solo.fleet.workers
    yield worker
    assert worker.alive, worker.tail()


@pytest.mark.attack(
    what="Handlers that raise exceptions that cannot be pickled or printed, with a solo worker"
)
@pytest.mark.parametrize("name", STRANGE)
def test_what_a_handler_raises_is_its_failure(worker: Worker, name: str) -> None:
    """The error handler decides at once; the invocation loses no worker."""
    flow = single(Raising)
    flow.set_error_handler(ErrorHandler("continue"))
    job = flow.execute("it", {"name": name}).wait(LIMIT)
    assert job.status == "completed"
    assert kinds(job) == ["submitted", "error_continued"]
    assert job.serialize()


@pytest.mark.attack(what="Such exceptions under STOP and RETRY, so that Celery gets them too")
@pytest.mark.parametrize("strategy", ["stop", "retry"])
def test_celery_gets_nothing_that_ends_its_process(worker: Worker, strategy: str) -> None:
    """Each job fails after its number of attempts, and the worker goes on."""
    flow = single(Raising)
    flow.set_error_handler(ErrorHandler(strategy, 1, 0.0, retryable_exceptions=BaseException))
    jobs = flow.execute_many("it", [{"name": name} for name in STRANGE])
    assert {job.wait(LIMIT).status for job in jobs} == {"failed"}
    expected = ["submitted", "retried", "failed"]
    expected = expected if strategy == "retry" else ["submitted", "failed"]
    assert [kinds(job) for job in jobs] == [expected] * len(jobs)


@pytest.mark.attack(what="More such exceptions than a worker with threads can run at once")
def test_a_worker_of_threads_keeps_its_places(threads: Installation) -> None:
    """All jobs fail, all threads are free again, and an ordinary job runs."""
    jobs = single(Raising).execute_many("it", [{"name": name} for name in STRANGE])
    assert {job.wait(LIMIT).status for job in jobs} == {"failed"}
    assert [kinds(job) for job in jobs] == [["submitted", "failed"]] * len(jobs)
    assert single(Sending).execute("it").wait(LIMIT).status == "completed"


@pytest.mark.parametrize("name", UNSEARCHABLE)
def test_no_secret_keeps_a_failure_from_being_recorded(worker: Worker, name: str) -> None:
    """A secret that has no text is not looked for, and nothing that may hold it is told."""
    params: dict[str, Any] = {"name": "a syntax error at no line", "token": UNSEARCHABLE[name]}
    job = single(Raising).execute("it", params).wait(LIMIT)
    assert job.status == "failed"
    assert kinds(job) == ["submitted", "failed"]
    assert job.error is not None
    assert "not told" in job.error["message"]


@pytest.mark.attack(what="A routine whose `__init__` claims that a record is too new")
def test_what_a_routine_raises_as_it_is_built_ends_its_job(worker: Worker) -> None:
    """The job fails; its invocation is not given back for another worker."""
    job = sent_to(Unbuilt()).execute("sender").wait(LIMIT)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["type"] == "NewerRecordError"
    assert "released" not in kinds(job)


@pytest.mark.attack(what="`sys.exit` in a merge function, in `setup` and in a routine's `__init__`")
@pytest.mark.parametrize("routine", [Merging, SetUp, Built])
def test_a_job_fails_where_its_code_exits(worker: Worker, routine: type[Routine]) -> None:
    """The job fails with SystemExit, and its worker goes on."""
    job = sent_to(routine()).execute("sender").wait(LIMIT)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["type"] == "SystemExit"
    assert "lost" not in kinds(job)
