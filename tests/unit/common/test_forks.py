"""Children that user code forks: they end where they come back to the engine, without a commit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from flowforge.common.forks import Forks, end_forked_child
from flowforge.errors import OutsideInvocationError
from flowforge.execution.run import run
from tests.unit.execution.samples import Worker, make_attempt

#: The status of a child that went on where only the parent may.
WENT_ON = 99


def status_of(child: Callable[[], object]) -> int:
    """Run something in a forked child; its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            child()
        finally:
            os._exit(WENT_ON)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


ENDS: dict[str, tuple[BaseException | None, int]] = {
    "returns": (None, 0),
    "sys.exit()": (SystemExit(), 0),
    "sys.exit(3)": (SystemExit(3), 3),
    "sys.exit(-1)": (SystemExit(-1), 255),
    "sys.exit(text)": (SystemExit("bye"), 1),
    "raises": (ValueError("x"), 1),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_child_ends_as_its_script_would(end: str) -> None:
    """With the status that its own end would have given it."""
    error, status = ENDS[end]
    forks_before = Forks.count
    assert status_of(lambda: end_forked_child(forks_before, error)) == status


def test_the_process_itself_goes_on() -> None:
    """What was begun here is ours to finish, also in a child that began it itself."""
    end_forked_child(Forks.count, SystemExit(1))
    assert status_of(lambda: end_forked_child(Forks.count)) == WENT_ON


@pytest.fixture
def forking() -> Iterator[list[int]]:
    """Handlers of this test fork, and leave the child as the first of these: its exit statuses."""
    found: list[int] = []
    yield found
    Worker.action = None


@pytest.mark.parametrize("end", ENDS)
def test_a_child_of_a_handler_does_not_come_back(end: str, forking: list[int]) -> None:
    """Only the parent has an outcome: the child is not a second worker with the same lease."""
    error, status = ENDS[end]

    def action(routine: Worker, params: dict[str, object]) -> None:
        pid = os.fork()
        if pid == 0:
            if error is not None:
                raise error
            return
        forking.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        routine.emit("result", parent=True)

    Worker.action = staticmethod(action)
    outcome = run(make_attempt(), "w1")
    assert forking == [status]
    assert (outcome.kind, len(outcome.effects.outputs)) == ("completed", 1)


def test_a_child_emits_nothing() -> None:
    """Its emissions would be lost with its memory, or be taken for the parent's."""
    attempt = make_attempt()

    def emit() -> None:
        with pytest.raises(OutsideInvocationError, match=r"forked child .* emit them there"):
            attempt.emit("result", {"child": True})
        os._exit(7)

    assert status_of(emit) == 7
    attempt.emit("result", {"parent": True})
    assert len(attempt.effects.outputs) == 1
