"""The reports of workers: who is there, what they consume, know and hold back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import CorruptRecordError, NewerRecordError, RecordError
from flowforge.store.reading import reading, typed
from flowforge.store.store import Store

#: Seconds without a report after which a worker counts as gone: three reports are missing.
STALE = 15

#: Seconds until a worker that stopped reporting is forgotten.
FORGOTTEN = 120

#: Facts that the store itself adds to a report: the messages that the worker holds back, what tells
#: it from another of its name, and whether there is such another one.
_HELD, _MARK, _SHARED = "held", "mark", "shared"


@dataclass(frozen=True)
class WorkerReport:
    """What a worker last said of itself. ``age``: seconds of the server's clock since then."""

    name: str
    age: int
    pid: int
    pool: str
    concurrency: int
    queues: frozenset[str]
    routines: frozenset[str]
    #: Version of FlowForge, and seconds that a lease lasts; '' and None in reports without them.
    version: str = ""
    lease: float | None = None
    #: Messages that the worker may fetch ahead of what it runs.
    prefetch: int = 0
    #: Invocations, as ``job/invocation``, whose attempts were ended and whose handlers still run in
    #: its main process, some of them.
    hanging: tuple[str, ...] = ()
    #: Whether another worker reports under the same name.
    shared: bool = False

    @property
    def live(self) -> bool:
        """Whether the worker counts as there."""
        return self.age <= STALE


class WorkerReports:
    """The reports of one fleet's workers."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = store.link
        self._key = store.keys.of("workers")

    # --- by the worker itself ------------------------------------------------------------

    def write(
        self, name: str, mark: str, facts: dict[str, Any], held: Sequence[str], *,
        shared: bool = False,
    ) -> bool:  # fmt: skip
        """Report; returns whether the report before was that of another worker of this name.

        ``mark``: what tells this worker from others of its name. ``held``: the invocations, as
        ``job/invocation``, that it holds back for a rate limit. ``shared``: whether another worker
        was found to have the name.
        """
        added = {_HELD: list(held), _MARK: mark, _SHARED: shared}
        record = pack_record(self._now(), {**facts, **added})
        former, *_ = self._link.many(
            [
                ("HGET", self._key, name),
                ("HSET", self._key, name, record),
                ("EXPIRE", self._key, FORGOTTEN),
            ]
        )
        return _is_of_another(former, mark)

    def withdraw(self, name: str, mark: str) -> None:
        """Take the report back at an orderly stop; that of another worker of this name stays."""
        report = self._link.call("HGET", self._key, name)
        if report is not None and not _is_of_another(report, mark):
            self._store.upkeep.forget_reports([(name, report)])

    # --- by others -----------------------------------------------------------------------

    def read(self) -> tuple[list[WorkerReport], list[RecordError]]:
        """The reports that are remembered, by name, and of those that cannot be read the errors."""
        now = self._now()
        reports: list[WorkerReport] = []
        unreadable: list[RecordError] = []
        for name, record in sorted(self._records()):
            try:
                reports.append(_report(name.decode(errors="backslashreplace"), record, now))
            except RecordError as error:
                unreadable.append(error)
        return reports, unreadable

    def rate_limited_messages(self) -> set[bytes]:
        """The invocations, as ``job/invocation``, that live workers hold back for a rate limit."""
        now = self._now()
        held: set[bytes] = set()
        for _, record in self._records():
            # A damaged report holds nothing back.
            with contextlib.suppress(RecordError, AttributeError, TypeError):
                held.update(member.encode() for member in _live_facts(record, now).get(_HELD, ()))
        return held

    def forget_silent(self) -> int:
        """Forget workers that have not reported for long; returns how many."""
        now = self._now()
        silent = [report for report in self._records() if self._silent(*report, now)]
        return self._store.upkeep.forget_reports(silent) if silent else 0

    def _silent(self, name: bytes, record: bytes, now: int) -> bool:
        try:
            at = unpack_record(record, f"report of worker {name!r}", 2)[0]
        except NewerRecordError:
            return False
        except CorruptRecordError as error:
            self._store.upkeep.tell_damaged("workers", name, str(error))
            return True
        return not isinstance(at, int) or now - at > FORGOTTEN

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        reply = self._link.call("HGETALL", self._key)
        return zip(reply[::2], reply[1::2], strict=True)

    def _now(self) -> int:
        return int(self._link.call("TIME")[0])


def _is_of_another(record: bytes | None, mark: str) -> bool:
    try:
        facts = None if record is None else unpack_record(record, "a worker's report", 2)[1]
    except RecordError:
        return False
    return isinstance(facts, dict) and facts.get(_MARK) not in (None, mark)


def _live_facts(record: bytes, now: int) -> dict[str, Any]:
    """The facts of a live worker; none of one that has been silent for long."""
    seconds, facts = unpack_record(record, "a worker's report", 2)
    return facts if now - seconds <= STALE else {}


def _report(name: str, record: bytes, now: int) -> WorkerReport:
    what = f"the report of worker {name}"
    with reading(what):
        seconds, facts = unpack_record(record, what, 2)
        return WorkerReport(
            name,
            max(0, now - typed(seconds, int)),
            typed(facts.get("pid", 0), int),
            typed(facts.get("pool", "?"), str),
            typed(facts.get("concurrency") or 0, int),
            _names(facts, "queues"),
            _names(facts, "routines"),
            typed(facts.get("version", ""), str),
            typed(facts.get("lease"), float, int, type(None)),
            typed(facts.get("prefetch") or 0, int),
            tuple(sorted(_names(facts, "hanging"))),
            typed(facts.get(_SHARED, False), bool),
        )


def _names(facts: dict[str, Any], key: str) -> frozenset[str]:
    return frozenset(typed(name, str) for name in typed(facts.get(key, []), list))
