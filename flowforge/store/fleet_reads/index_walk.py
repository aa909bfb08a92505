"""Going along indexes of jobs by their time of creation, the newest job first, piece by piece."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowforge.model.invocation_id import JOB_ID
from flowforge.store.reading import LAST_TIME, moment, within_time
from flowforge.store.server.link import Link

#: The place of a job as text, as a pattern.
CURSOR = rf"\d{{1,15}}/{JOB_ID}"


class Found(NamedTuple):
    """A job, by its place in the order of all jobs. ``created``: milliseconds."""

    created: int
    job_id: str

    @property
    def cursor(self) -> str:
        """What a later page goes on from, whatever jobs have come and gone by then."""
        return f"{self.created}/{self.job_id}"

    @property
    def moment(self) -> datetime:
        """When it was created."""
        return moment(min(self.created, LAST_TIME))

    @property
    def has_cursor(self) -> bool:
        """Whether that is one: an index may have what is no id of a job."""
        return re.fullmatch(CURSOR, self.cursor) is not None


class IndexWalk:
    """A walk along the union of some indexes. ``since`` and ``until``: milliseconds; None: all.

    No job has its place in the walk changed by what becomes of it: places are times of creation.
    Each piece is of one moment, so that a job that goes from one of the indexes to another is in it
    exactly once.
    """

    def __init__(
        self, link: Link, indexes: Sequence[str], since: int | None, until: int | None
    ) -> None:
        self._link = link
        self._indexes = indexes
        self._since = "-inf" if since is None else since
        self._until = "+inf" if until is None else until

    def behind(self, last: Found | None, size: int) -> list[Found]:
        """The next jobs, at most ``size`` of each index; none at the end."""
        # Members of the millisecond of ``last`` that each index was read behind.
        passed = [0] * len(self._indexes)
        while True:
            commands = [
                self._command(index, last, count, size)
                for index, count in zip(self._indexes, passed, strict=True)
            ]
            pieces = [_read(reply) for reply in self._read(commands)]
            fresh = [_behind(last, piece) for piece in pieces]
            # The one that was passed last is read again, and says that none is skipped.
            full = [
                len(piece) >= size + min(count, 1)
                for piece, count in zip(pieces, passed, strict=True)
            ]
            again = False
            for place, piece in enumerate(pieces):
                if passed[place] and fresh[place] == piece:
                    passed[place], again = 0, True  # some that were passed have gone
                elif full[place] and not fresh[place]:
                    passed[place] += size
                    again = True
            if not again:
                ends = [piece[-1] for piece, whole in zip(pieces, full, strict=True) if whole]
                return _together(fresh, max(ends, default=None))

    def _command(self, index: str, last: Found | None, passed: int, size: int) -> tuple[Any, ...]:
        newest = self._until if last is None else last.created
        more = min(passed, 1)
        return (
            "ZRANGE", index, newest, self._since, "BYSCORE", "REV",
            "LIMIT", passed - more, size + more, "WITHSCORES",
        )  # fmt: skip

    def _read(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The replies, all of one moment."""
        if len(commands) == 1:
            return [self._link.call(*commands[0])]
        replies: list[Any] = self._link.many([("MULTI",), *commands, ("EXEC",)])[-1]
        if any(isinstance(reply, Exception) for reply in replies):
            # A key of another type: the command by itself says which.
            return self._link.many(commands)
        return replies


def _read(reply: Sequence[bytes]) -> list[Found]:
    return [
        Found(within_time(score), name.decode(errors="backslashreplace"))
        for name, score in zip(reply[::2], reply[1::2], strict=True)
    ]


def _behind(last: Found | None, piece: list[Found]) -> list[Found]:
    return piece if last is None else [one for one in piece if one < last]


def _together(pieces: Sequence[list[Found]], end: Found | None) -> list[Found]:
    """What the indexes have down to ``end``, up to which each of them was read."""
    if len(pieces) == 1:
        return pieces[0]
    merged = sorted({one for piece in pieces for one in piece}, reverse=True)
    return merged if end is None else [one for one in merged if one >= end]
