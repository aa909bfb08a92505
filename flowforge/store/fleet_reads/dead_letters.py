"""Messages that workers refused: kept with the reason, to be looked at, sent again or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from redis.exceptions import ConnectionError

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import DeadLetterError, RecordError, StoreUnavailableError
from flowforge.store.reading import moment, reading, typed, whole
from flowforge.store.store import Store

#: Bytes of a message that are kept, and how many messages; the oldest are dropped first. A message
#: that is longer can be looked at, but not sent again.
KEPT_BYTES = 8 * 1024
KEPT_LETTERS = 10_000

#: Characters of a reason that are kept.
_REASON = 500


@dataclass(frozen=True)
class DeadLetter:
    """One refused message. ``number`` is its own for ever, ``size`` that of the whole message."""

    number: int
    at: datetime
    queue: str
    reason: str
    item: bytes
    size: int

    @property
    def whole(self) -> bool:
        """Whether every byte of the message was kept."""
        return len(self.item) == self.size


class DeadLetters:
    """The refused messages of one fleet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key = store.keys.of("dead_letters")

    def bury(self, queue: str, reason: str, item: bytes) -> int:
        """Keep a refused message; returns its number."""
        record = pack_record(queue, reason[:_REASON], item[:KEPT_BYTES], len(item))
        try:
            return int(self._store.scripts.run("bury", record, KEPT_LETTERS))
        except StoreUnavailableError as error:
            if not isinstance(error.__cause__, ConnectionError):
                raise
        # A link without patience may have kept a connection from before the server's restart.
        return int(self._store.scripts.run("bury", record, KEPT_LETTERS))

    def count(self) -> int:
        """How many are kept."""
        count: int = self._store.link.call("ZCARD", self._key)
        return count

    def newest(self, limit: int, corrupt: list[RecordError] | None = None) -> list[DeadLetter]:
        """The newest first, ``limit`` at most.

        What cannot be read is left out; ``corrupt`` gets the errors, which name the numbers.
        """
        found = self._store.link.call("ZRANGE", self._key, 0, limit - 1, "REV", "WITHSCORES")
        letters = []
        for raw, score in zip(found[::2], found[1::2], strict=True):
            try:
                letters.append(_letter(raw, score))
            except RecordError as error:
                if corrupt is not None:
                    corrupt.append(error)
        return letters

    def get(self, number: int) -> DeadLetter:
        """One by its number; DeadLetterError when it is not there."""
        found = self._store.link.call("ZRANGE", self._key, number, number, "BYSCORE")
        if not found:
            raise _missing(number)
        return _letter(found[0], number)

    def requeue(self, number: int, broker_list: str) -> None:
        """Push the message to a broker list again and forget the letter, in one step.

        DeadLetterError when it is not there, or when it was too long to be kept whole.
        """
        letter = self.get(number)
        if not letter.whole:
            raise DeadLetterError(
                f"dead letter {number} had {letter.size} bytes, of which {len(letter.item)} were "
                "kept: it cannot be sent again"
            )
        if not self._store.scripts.run("requeue", number, broker_list, letter.item):
            raise _missing(number)

    def drop(self, number: int) -> None:
        """Forget one; DeadLetterError when it is not there."""
        if not self._store.link.call("ZREMRANGEBYSCORE", self._key, number, number):
            raise _missing(number)

    def drop_all(self) -> int:
        """Forget all that are there now; returns how many. Later ones stay."""
        last = self._store.link.call("ZRANGE", self._key, -1, -1, "WITHSCORES")
        if not last:
            return 0
        dropped: int = self._store.link.call("ZREMRANGEBYSCORE", self._key, "-inf", last[1])
        return dropped


def _letter(raw: bytes, score: bytes | int) -> DeadLetter:
    what = f"dead letter {float(score):.0f}"
    with reading(what):
        first, at, record = raw.split(b" ", 2)
        queue, reason, item, size = unpack_record(record, what, 4)
        texts = typed(queue, str), typed(reason, str)
        return DeadLetter(whole(first), moment(at), *texts, typed(item, bytes), typed(size, int))


def _missing(number: int) -> DeadLetterError:
    return DeadLetterError(f"there is no dead letter {number}: it was dropped or sent again")
