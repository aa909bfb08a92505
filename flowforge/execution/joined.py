"""The items of a join: read in chunks, so that a large join does not have to fit in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

#: Items read at a time.
CHUNK = 500


class JoinedItems(Sequence[dict[str, Any]]):
    """The params of every delivery to a join, in the store's order.

    ``read(first, last)`` returns the items of these places, counted from 1. ``reading`` is called
    with each such call to make: the attempt's, once there is one.
    """

    def __init__(self, count: int, read: Callable[[int, int], list[dict[str, Any]]]) -> None:
        self._count = count
        self._stored = read
        self.reading: Callable[[Callable[[], list[dict[str, Any]]]], list[dict[str, Any]]] = _made

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for first in range(1, self._count + 1, CHUNK):
            yield from self._read(first, min(first + CHUNK - 1, self._count))

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        places = range(1, self._count + 1)[index]
        if isinstance(places, range):
            return [item for place in places for item in self._read(place, place)]
        return self._read(places, places)[0]

    def _read(self, first: int, last: int) -> list[dict[str, Any]]:
        return self.reading(lambda: self._stored(first, last))

    def __repr__(self) -> str:
        return f"<{self._count} joined items>"


def _made(call: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return call()
