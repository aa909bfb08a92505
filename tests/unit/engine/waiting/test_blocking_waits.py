"""Where a wait for a job is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery, Task
from celery._state import _task_stack  # type: ignore[attr-defined]

from flowforge.engine.waiting.blocking_waits import check_may_wait
from flowforge.errors import WouldBlockError
from flowforge.execution.current import current
from tests.unit.execution.samples import make_attempt


@pytest.fixture
def handler() -> Iterator[None]:
    """A handler of job ``j1`` runs."""
    token = current.set(make_attempt())
    yield
    current.reset(token)


@pytest.fixture
def task() -> Iterator[Task]:  # type: ignore[type-arg]
    """A task of another app's runs."""
    app = Celery(set_as_current=False)

    @app.task(name="shop.report")
    def task() -> None:
        """Never called."""

    _task_stack.push(task)
    yield task
    _task_stack.pop()


@pytest.mark.usefixtures("handler")
def test_a_handler_may_wait_for_another_job_for_a_while() -> None:
    """Without a timeout it is refused, and for its own job at all times."""
    check_may_wait("j2", 5.0)
    with pytest.raises(WouldBlockError, match=r"worker.input waits for job j2.*self.start"):
        check_may_wait("j2", None)
    with pytest.raises(WouldBlockError, match="waits for its own job"):
        check_may_wait("j1", 5.0)


def test_a_task_may_wait_for_a_while(task: Task) -> None:  # type: ignore[type-arg]
    """It holds a worker as a handler does, unless it is called in place."""
    task.push_request(is_eager=False)
    check_may_wait("j2", 5.0)
    with pytest.raises(WouldBlockError, match=r"the Celery task shop\.report waits for job j2"):
        check_may_wait("j2", None)
    task.push_request(is_eager=True)
    check_may_wait("j2", None)


def test_a_program_may_wait() -> None:
    """Modules that a script imports are no worker's."""
    check_may_wait("j2", None)
