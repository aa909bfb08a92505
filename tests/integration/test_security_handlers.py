"""User code that fails in ways nobody foresees fails its job, and no worker is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowforge import ErrorHandler, Routine
from flowforge.server import LocalServer
from tests.integration import hostile_flows
from tests.integration.flows import single
from tests.integration.hostile_flows import Built, Merging, Raising, SetUp, sent_to
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds
from tests.support.fleet import Worker
from tests.unit.execution.test_failure import STRANGE, UNSEARCHABLE


@pytest.fixture(scope="module")
def solo(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose worker has no process but its own."""
    directory = tmp_path_factory.mktemp("hostile")
    with installed(server, directory, (hostile_flows.__name__,), **FAST) as installation:
        installation.fleet.start(pool="solo")
        yield installation


@pytest.fixture
def worker(solo: Installation) -> Iterator[Worker]:
    """It is the same before and after each test."""
    (worker,) = solo.fleet.workers
    yield worker
    assert worker.alive, worker.tail()


@pytest.mark.attack(
    what="Handlers that raise exceptions which cannot be written down, in a worker of one process"
)
@pytest.mark.parametrize("name", STRANGE)
def test_what_a_handler_raises_is_its_failure(worker: Worker, name: str) -> None:
    """Its error handler is asked at once; the invocation loses no worker."""
    flow = single(Raising)
    flow.set_error_handler(ErrorHandler("continue"))
    job = flow.execute("it", {"name": name}).wait(LIMIT)
    assert job.status == "completed"
    assert kinds(job) == ["submitted", "error_continued"]
    assert job.serialize()


@pytest.mark.parametrize("name", UNSEARCHABLE)
def test_no_secret_keeps_a_failure_from_being_recorded(worker: Worker, name: str) -> None:
    """A secret that has no text is not looked for, and nothing that may hold it is told."""
    params: dict[str, Any] = {"name": "a syntax error at no line", "token": UNSEARCHABLE[name]}
    job = single(Raising).execute("it", params).wait(LIMIT)
    assert job.status == "failed"
    assert kinds(job) == ["submitted", "failed"]
    assert job.error is not None
    assert "not told" in job.error["message"]


@pytest.mark.attack(what="`sys.exit` in a merge function, in `setup` and in a routine's `__init__`")
@pytest.mark.parametrize("routine", [Merging, SetUp, Built])
def test_a_job_fails_where_its_code_exits(worker: Worker, routine: type[Routine]) -> None:
    """The worker that runs it does not end; other code than handlers is user code too."""
    job = sent_to(routine()).execute("sender").wait(LIMIT)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["type"] == "SystemExit"
    assert "lost" not in kinds(job)
