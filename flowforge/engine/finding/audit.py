"""What people did on all servers: told, found, followed."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.errors import (
    CommandRefusedError,
    InvalidValueError,
    RecordError,
    StoreUnavailableError,
)
from flowforge.model.jobs.audit import AuditEntry, AuditRecord
from flowforge.store.fleet_reads.audit import AuditStream

logger = logging.getLogger(__name__)

#: Seconds between two looks of a follower.
_LOOK = 1.0


def tell(engine: Engine, record: AuditRecord) -> None:
    """Keep what a person did. When the server does not take it, it stands in the log: what was
    done stays done.
    """
    try:
        AuditStream(engine.store).add(record)
    except (StoreUnavailableError, CommandRefusedError) as error:
        logger.error("not kept in the audit stream: %s (%s)", _told(record), error)


def _told(record: AuditRecord) -> str:
    """An entry for the log: what it has, by its names."""
    found = {name: value for name, value in asdict(record).items() if value}
    return ", ".join(
        f"{name} {', '.join(value) if name == 'job_ids' else value}"
        for name, value in found.items()
        if (name, value) != ("count", 1)
    )


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are looked for; None: any. ``action``: as a part of it."""

    by: str | None = None
    action: str | None = None
    job_id: str | None = None
    since: datetime | None = None

    def fits(self, entry: AuditEntry) -> bool:
        """Whether the entry is one of them, but for its time."""
        record = entry.record
        return (
            self.by in (None, record.by)
            and (self.action is None or self.action in record.action)
            and (self.job_id is None or self.job_id in record.job_ids)
        )


class AuditPage(NamedTuple):
    """``cursor``: where the next page begins; None at the end."""

    entries: list[AuditEntry]
    cursor: str | None
    left_out: list[RecordError]


def find_audit(
    engines: Sequence[Engine], wanted: AuditFilter, limit: int, cursor: str | None = None
) -> AuditPage:
    """The newest entries that fit; InvalidValueError for what is no cursor."""
    after = _place_of(cursor)
    left_out: list[RecordError] = []
    streams = [_fitting(engine, wanted, after, left_out) for engine in engines]
    found = list(islice(merge(*streams, key=_place, reverse=True), limit + 1))
    page = found[:limit]
    if len(found) <= limit or not page:
        return AuditPage(page, None, left_out)
    (ms, number), server = _place(page[-1])
    return AuditPage(page, f"{ms}-{number}/{server}", left_out)


def follow_audit(engines: Sequence[Engine], wanted: AuditFilter) -> Iterator[AuditEntry]:
    """The entries that come from now on, without end."""
    places = {engine: f"{engine.overview.now()}-0" for engine in engines}
    while True:
        for engine in engines:
            found, places[engine] = AuditStream(engine.store).behind(places[engine])
            for entry in found:
                if isinstance(entry, AuditEntry) and wanted.fits(entry):
                    yield entry
        time.sleep(_LOOK)


def _fitting(
    engine: Engine, wanted: AuditFilter, after: tuple[tuple[int, int], str] | None,
    left_out: list[RecordError],
) -> Iterator[AuditEntry]:  # fmt: skip
    start = "+" if after is None else "{}-{}".format(*after[0])
    for entry in AuditStream(engine.store).newest(start):
        if isinstance(entry, RecordError):
            left_out.append(entry)
            continue
        if wanted.since is not None and entry.at < wanted.since:
            return
        if (after is None or _place(entry) < after) and wanted.fits(entry):
            yield entry


def _place(entry: AuditEntry) -> tuple[tuple[int, int], str]:
    ms, _, number = entry.id.partition("-")
    return (int(ms), int(number)), entry.server


def _place_of(cursor: str | None) -> tuple[tuple[int, int], str] | None:
    if not cursor:
        return None
    found = re.fullmatch(r"(\d{1,15})-(\d{1,15})/([0-9a-zA-Z]{1,40})", cursor)
    if found is None:
        raise InvalidValueError(f"cursor {shown(cursor)} is none: take that of a page")
    return (int(found[1]), int(found[2])), found[3]
