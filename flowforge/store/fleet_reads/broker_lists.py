"""The broker's lists: how long they are, and the numbers of the messages pushed to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from flowforge.errors import CommandRefusedError
from flowforge.store.store import Store

#: Items that one command reads of a list.
_PAGE = 100


class BrokerList(NamedTuple):
    """A list with messages. ``unclaimed``: messages on it, or popped and not yet claimed.

    ``refusal``: why it cannot be looked at, when it is no list.
    """

    name: str
    length: int
    unclaimed: int
    refusal: CommandRefusedError | None = None

    @property
    def popped(self) -> int:
        """Messages that were popped and have not been claimed."""
        return max(0, self.unclaimed - self.length)


class Unclaimed(NamedTuple):
    """An invocation, as ``job/invocation``, whose message has this push number."""

    member: bytes
    number: bytes


class BrokerLists:
    """Reads the lists of one fleet that FlowForge has pushed to."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def all(self) -> Iterator[BrokerList]:
        """Every list that a message was ever pushed to, by name."""
        for raw in sorted(self._link.call("HKEYS", self._keys.of("sequences"))):
            # No queue has a name that is no UTF-8.
            name = raw.decode(errors="backslashreplace")
            unclaimed_key = self._keys.of("unclaimed", name)
            try:
                unclaimed, length = self._link.many([("ZCARD", unclaimed_key), ("LLEN", name)])
            except CommandRefusedError as error:
                yield BrokerList(name, 0, 0, error)
            else:
                yield BrokerList(name, length, unclaimed)

    def latest_numbers(self) -> list[tuple[bytes, bytes]]:
        """The name of each list and the number of its latest push, as they are stored."""
        replies = self._link.call("HGETALL", self._keys.of("sequences"))
        return list(zip(replies[::2], replies[1::2], strict=True))

    def oldest_first(self, name: str, most: int) -> Iterator[bytes]:
        """The messages that are popped next, ``most`` at most."""
        for start in range(0, most, _PAGE):
            page = self._link.call("LRANGE", name, -(start + _PAGE), -(start + 1))
            if not page:
                return
            yield from reversed(page)

    def unclaimed(self, name: str, below: int, skip: int, most: int) -> list[Unclaimed]:
        """Messages of the list that are not claimed and have a push number below ``below``."""
        found = self._link.call(
            "ZRANGEBYSCORE", self._keys.of("unclaimed", name), "-inf", f"({below}",
            "WITHSCORES", "LIMIT", skip, most,
        )  # fmt: skip
        return [Unclaimed(*pair) for pair in zip(found[::2], found[1::2], strict=True)]

    def mend_number(self, raw_name: bytes) -> None:
        """A name or a number that cannot be read: the list's numbers go on behind the highest."""
        sequences = self._keys.of("sequences")
        try:
            unclaimed = self._keys.of("unclaimed", raw_name.decode())
        except UnicodeDecodeError:
            self._link.call("HDEL", sequences, raw_name)
            return
        highest = self._link.call("ZRANGE", unclaimed, -1, -1, "WITHSCORES")
        self._link.call("HSET", sequences, raw_name, int(float(highest[1])) if highest else 0)
