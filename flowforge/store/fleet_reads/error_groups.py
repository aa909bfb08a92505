"""Failures by their cause, as one server has counted them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from flowforge.errors import CorruptRecordError, FlowForgeError
from flowforge.store.reading import moment, reading, whole
from flowforge.store.store import Store

#: Milliseconds from its latest error for which a group is kept; GROUP_KEPT of the scripts.
KEPT = 7 * 86_400_000

#: What ``read`` needs of a group.
_FIELDS = ("flow", "routine", "type", "place", "message", "count", "first", "jobs")


class Identity(NamedTuple):
    """What the errors of one group have in common, on whichever server."""

    flow_id: str
    routine_id: str
    type: str
    at: str


@dataclass(frozen=True)
class CountedErrors:
    """What one server has of a group. ``key``: its name there."""

    key: str
    identity: Identity
    message: str
    count: int
    first_at: datetime
    last_at: datetime
    #: The latest jobs, and when each had its latest error, in milliseconds.
    jobs: dict[str, int]


class ErrorGroups:
    """Reads the groups of one fleet."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def read(
        self, since: int, unreadable: list[FlowForgeError] | None = None
    ) -> list[CountedErrors]:
        """Groups with an error since then, in milliseconds of the server's clock.

        ``unreadable`` gets the errors of those that cannot be read.
        """
        index = self._link.call(
            "ZRANGEBYSCORE", self._keys.of("error_groups"), since, "+inf", "WITHSCORES"
        )
        keys = [key.decode(errors="backslashreplace") for key in index[::2]]
        name = self._keys.of
        rows = self._link.many([("HMGET", name("error_group", key), *_FIELDS) for key in keys])
        found = []
        for key, last, row in zip(keys, index[1::2], rows, strict=True):
            try:
                # A group that has expired stays in the index for a moment.
                if row[5] is not None:
                    found.append(_counted(key, last, row))
            except CorruptRecordError as error:
                if unreadable is not None:
                    unreadable.append(error)
        return found


def _counted(key: str, last: bytes, row: list[bytes]) -> CountedErrors:
    with reading(f"the group of errors {key}"):
        flow, routine, kind, place, message, count, first, jobs = row
        identity = Identity(flow.decode(), routine.decode(), kind.decode(), place.decode())
        return CountedErrors(
            key, identity, message.decode(), whole(count), moment(first), moment(int(float(last))),
            _jobs(jobs.decode()),
        )  # fmt: skip


def _jobs(text: str) -> dict[str, int]:
    parts = text.split(" ")
    return {job_id: whole(at) for job_id, at in zip(parts[::2], parts[1::2], strict=True)}
