"""Pauses of queues: of which nothing is claimed and to which nothing is pushed, until a resume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import RecordError
from flowforge.store.keys import Keys
from flowforge.store.reading import moment, reading, typed
from flowforge.store.runner import ScriptRunner, new_request
from flowforge.store.server.link import Link
from flowforge.store.transitions.answers import PAUSE_QUEUE, RESUME_QUEUE, Answer

#: Messages that one call puts back, about 1 ms of the server's time.
AT_ONCE = 128

#: Push numbers of a list from here on say that its queue is paused; PAUSED of the scripts.
PAUSED = 4 * 10**15


class QueuePause(NamedTuple):
    """Who has paused a queue, since when and why. ``lists``: its broker lists.

    ``resuming``: it is being resumed, and what waited is not all back.
    """

    queue: str
    by: str
    reason: str
    since: datetime
    lists: tuple[str, ...]
    resuming: bool = False


class QueuePauses:
    """Pausing and resuming queues, which are named with their broker lists, and reading pauses."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts
        self._link: Link = scripts.link
        self._keys: Keys = scripts.keys

    def pause(self, queue: str, lists: Sequence[str], by: str, reason: str) -> bool:
        """Let workers claim nothing of the queue; False: it was paused, and stays as it is."""
        details = pack_record(by, reason, list(lists), new_request())
        answers = set()
        while True:
            word, more = self._scripts.run("pause_queue", queue, details, *lists)
            answers.add(PAUSE_QUEUE[word])
            if not more:
                return Answer.OK in answers

    def uphold(self, pause: QueuePause) -> None:
        """Put aside what a release that does not know of pauses has pushed to a paused queue."""
        more = True
        while more:
            _, more = self._scripts.run("pause_queue", pause.queue, "", *pause.lists)

    def resume(self, queue: str, lists: Sequence[str]) -> bool:
        """Put all back that was put aside; False: the queue is not paused."""
        request = new_request()
        answer = self.put_back(queue, lists, request)
        found = answer is not Answer.NONE
        while answer is Answer.MORE:
            answer = self.put_back(queue, lists, request)
        return found

    def put_back(self, queue: str, lists: Sequence[str], request: str = "") -> Answer:
        """A part of it: OK, MORE, or NONE when the queue is not paused."""
        return RESUME_QUEUE[self._scripts.run("resume_queue", queue, AT_ONCE, request, *lists)]

    # --- reading -------------------------------------------------------------------------

    def all(self, unreadable: list[RecordError] | None = None) -> list[QueuePause]:
        """The paused queues by name. ``unreadable``: gets the errors of what cannot be read."""
        raw = self._link.call("HGETALL", self._keys.of("queue_pauses"))
        fields = dict(zip(raw[::2], raw[1::2], strict=True))
        found = []
        for name, text in sorted(fields.items()):
            if not name.startswith(b"p"):
                continue
            try:
                found.append(_pause(name[1:], text, resuming=b"r" + name[1:] in fields))
            except RecordError as error:
                if unreadable is None:
                    raise
                unreadable.append(error)
        return found

    def aside(self, lists: Iterable[str]) -> int:
        """How many invocations are put aside of these broker lists."""
        names = ("paused_unclaimed", "paused_pushes")
        keys = [self._keys.of(name, one) for one in lists for name in names]
        return sum(self._link.many([("ZCARD", key) for key in keys])) if keys else 0


def _pause(queue: bytes, text: bytes, *, resuming: bool) -> QueuePause:
    at, _, packed = text.partition(b" ")
    with reading(f"the pause of queue {queue.decode(errors='backslashreplace')}"):
        by, reason, lists, _ = unpack_record(packed, "the pause of a queue", 4)
        return QueuePause(
            queue.decode(), typed(by, str), typed(reason, str), moment(at),
            tuple(typed(one, str) for one in lists), resuming,
        )  # fmt: skip
