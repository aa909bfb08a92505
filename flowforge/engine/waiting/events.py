"""Following a job: what happens to it, as it happens, over outages of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import redis

from flowforge.engine.explain.job_findings import overdue
from flowforge.engine.job_server import JobServer
from flowforge.engine.waiting.blocking_waits import check_may_wait, check_timeout
from flowforge.engine.waiting.patience import PAUSE, Deadline, OutageLog
from flowforge.errors import StoreUnavailableError
from flowforge.model.definition import Definition
from flowforge.model.jobs.job_event import BEGINNING, EventKind, JobEvent, Position
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.store.history import submitted
from flowforge.store.job_reads.history_stream import HistoryStream

#: Seconds after which a follower looks at the job although its history has no new entry: some ends
#: of a job write none, such as a timeout of a join.
LOOK_AGAIN = 1.0

#: Seconds between two looks at a job that is busy.
PACE = 0.05


def events(
    server: JobServer, job_id: str, since: str | None, until_end: bool, timeout: float | None
) -> Iterator[JobEvent]:
    """As ``JobState.events`` says."""
    position = None if since is None else Position.of(since)
    check_timeout(timeout)
    if not until_end:
        return _so_far(Follower(server, job_id, position))
    check_may_wait(job_id, timeout)
    return _until_end(server, job_id, Follower(server, job_id, position), Deadline(timeout))


def _so_far(follower: Follower) -> Iterator[JobEvent]:
    while True:
        look = follower.look()
        yield from look.events
        if not look.more:
            return


def _until_end(
    server: JobServer, job_id: str, follower: Follower, deadline: Deadline
) -> Iterator[JobEvent]:
    outage = OutageLog(server, job_id)
    while True:
        try:
            look = follower.look()
            outage.ended()
        except (redis.RedisError, StoreUnavailableError) as error:
            outage.lasts(error)
            if deadline.left(PAUSE) <= 0:
                raise TimeoutError(
                    f"job {job_id}: the Redis server did not answer in time"
                ) from error
            time.sleep(PAUSE)
            continue
        yield from look.events
        if look.ended:
            return
        if look.more:
            continue
        if deadline.left(LOOK_AGAIN) <= 0:
            raise TimeoutError(overdue(server, job_id))
        if look.events:
            time.sleep(PACE)
        try:
            follower.wait(deadline.left(LOOK_AGAIN))
        except redis.RedisError as error:
            outage.lasts(error)
            time.sleep(PAUSE)


class Look(NamedTuple):
    """What a look has found. ``ended``: the job has, and this is all that happened to it."""

    events: list[JobEvent]
    more: bool
    ended: bool


class _About(NamedTuple):
    """What stays as it is. ``limit``: about how many entries are kept."""

    definition: Definition
    created: datetime
    limit: int


class Follower:
    """Reads the events of a job from a position on; None: from the beginning.

    Each look goes on where the latest one ended, unless it has raised.
    """

    def __init__(self, server: JobServer, job_id: str, position: Position | None) -> None:
        self._inspector = server.inspector
        self._stream = HistoryStream(server.store, server.client, job_id)
        self._job_id = job_id
        self._position = position or Position(BEGINNING)
        self._begins = position is None
        #: None before the first look.
        self._about: _About | None = None

    def look(self) -> Look:
        """What has happened since the latest look: one page of the history at most."""
        definition, created, limit = self._about or self._asked()
        # Asked first: what came before the end is among the entries then.
        end = self._stream.end()
        at = self._position
        if at.entry == BEGINNING:
            page = self._stream.first_page(definition, limit)
        else:
            page = self._stream.page(definition, at.entry, inclusive=at.before)
        found = [self._event(submitted(created))] if self._begins else []
        if self._about is None and limit == 0:
            found.append(self._gap(at, created, limit))
        elif page.entries and not page.whole:
            behind = page.entries[0]
            found.append(self._gap(Position(behind.id, before=True), behind.at, limit))
        found += [self._event(entry) for entry in page.entries]
        if page.entries:
            at = Position(page.entries[-1].id)
        ended = end is not None and not page.more
        if end is not None and ended:
            details = {"status": end.status.value, "reason": end.reason}
            found.append(self._told(at, end.at, EventKind.ENDED, details))
        self._position, self._begins = at, False
        self._about = _About(definition, created, limit)
        return Look(found, page.more, ended)

    def wait(self, patience: float) -> None:
        """Return when something more has happened, or after so many seconds."""
        self._stream.wait(self._position.entry, patience)

    def _asked(self) -> _About:
        return _About(self._inspector.definition(self._job_id), *self._stream.begun())

    def _event(self, entry: HistoryEntry) -> JobEvent:
        return JobEvent(job_id=self._job_id, **vars(entry))

    def _gap(self, position: Position, at: datetime, limit: int) -> JobEvent:
        return self._told(position, at, EventKind.GAP, {"history_limit": limit})

    def _told(
        self, position: Position, at: datetime, kind: EventKind, details: dict[str, Any]
    ) -> JobEvent:
        return JobEvent(position.id, self._job_id, at, kind.value, None, None, None, details)
