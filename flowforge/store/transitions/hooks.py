"""The transitions of hooks: who may deliver to one, and what becomes of each delivery."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from flowforge.store.runner import ScriptRunner

#: Milliseconds for which a hook that no worker has any more is kept, with what waits for it.
KEPT = 7 * 86_400_000


class DeliveryEnd(StrEnum):
    """How an attempt at a delivery ended."""

    #: The receiver has it.
    DONE = "done"
    #: It is to be made again.
    AGAIN = "again"
    #: It is not made again unless an operator asks for it.
    DEAD = "dead"
    #: It was a test, which is not made again.
    TESTED = "tested"


class Held(NamedTuple):
    """The right to deliver. ``place``: of the hook in the outbox; ``waiting``: deliveries."""

    place: int
    waiting: int


class NewDelivery(NamedTuple):
    """A delivery to make, or one without an attempt yet whose record is replaced.

    ``cause``: what its events have in common; ``delay_ms``: until its first attempt.
    """

    id: str
    cause: str
    delay_ms: int
    record: bytes


class HookScripts:
    """Each method is one script. ``name``: of the hook."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def declare(self, name: str, description: bytes) -> None:
        """Say that a worker has the hook. It hears of what happens from the first time on."""
        self._scripts.run("declare_hook", name, description, KEPT)

    def hold(self, name: str, holder: str, worker: str, ms: int) -> Held | None:
        """Take or keep the right to deliver for ``ms``.

        None: another has it, or the hook was forgotten. ``ms`` 0 gives the right up.
        """
        found = self._scripts.run("hold_hook", name, holder, worker, ms)
        return Held(int(found[0]), found[1]) if found else None

    def make(
        self, name: str, holder: str, place: int, behind: int, lost: int,
        deliveries: Sequence[NewDelivery],
    ) -> bool:  # fmt: skip
        """Make deliveries of the lines of the outbox from ``place`` to ``behind``.

        False: the lines were taken before, or a delivery had an attempt meanwhile.
        """
        arguments = [part for delivery in deliveries for part in delivery]
        return bool(
            self._scripts.run("make_deliveries", name, holder, place, behind, lost, *arguments)
        )

    def begin(
        self, name: str, holder: str, delivery_id: str, cause: str, attempt: int, ms: int
    ) -> int | None:
        """Begin an attempt, which is made again after ``ms`` unless it ends; how often a worker was
        lost with one. None: it may not be made.
        """
        found = self._scripts.run("begin_delivery", name, holder, delivery_id, cause, attempt, ms)
        return int(found[0]) if found else None

    def end(
        self, name: str, delivery_id: str, attempt: int, how: DeliveryEnd, delay_ms: int,
        answer: str, *, good: bool = False,
    ) -> bool:  # fmt: skip
        """End an attempt. ``answer``: of the receiver, or why the attempt failed; ``good``: whether
        a test succeeded. False: it was ended before.
        """
        return bool(
            self._scripts.run(
                "end_delivery", name, delivery_id, attempt, how.value, delay_ms, answer, int(good)
            )
        )

    def test(self, name: str, delivery_id: str, record: bytes) -> bool:
        """Let a test event be delivered at once; False: there is no such hook."""
        return bool(self._scripts.run("test_hook", name, delivery_id, record))

    def replay(self, name: str, ids: Sequence[str]) -> int:
        """Let dead deliveries wait again, all without ``ids``: how many."""
        replayed: int = self._scripts.run("replay_deliveries", name, *ids)
        return replayed

    def drop(self, name: str, ids: Sequence[str]) -> int:
        """Forget dead deliveries, all without ``ids``: how many."""
        dropped: int = self._scripts.run("drop_deliveries", name, *ids)
        return dropped

    def forget(self, name: str) -> bool:
        """Forget the hook with all that waits for it; False: there is no such hook."""
        return bool(self._scripts.run("forget_hook", name))
