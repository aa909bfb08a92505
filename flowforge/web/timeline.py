"""The latest attempts of each routine of a job on one line of time: what waited, and what ran."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import NamedTuple, TypeAlias

from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.job_reads.latest_history import LatestEntry

#: An entry of a history, read as a whole or as far as it is needed.
Entry: TypeAlias = HistoryEntry | LatestEntry

#: Attempts of one routine, and of all of them.
_OF_ROUTINE = 6
_ROWS = 60

#: Length of the line of time, in the units of the picture.
WIDTH = 1000

#: What an invocation waits for after an entry of this kind.
_CAUSES = {
    "submitted": "queue",
    AttemptOutcome.RETRIED: "next attempt",
    AttemptOutcome.LOST: "queue",
    AttemptOutcome.RELEASED: "another worker",
    "given_back": "another worker",
    AttemptOutcome.FAILED: "retry",
    "stopped": "breakpoint",
    "let_go": "queue",
    "waited_at_limit": "queue",
}

#: Entries at which an invocation begins to wait for something else.
_CHANGES = frozenset({"stopped", "let_go"})

#: Entries about the whole job that begin a time in which nothing of it starts, its cause, and those
#: that end it.
_HALTS = {"paused": "paused", AttemptOutcome.FAILED: "failed job"}
_GOES_ON = frozenset({"resumed", "retry"})

#: Kinds of entries that are attempts.
_ATTEMPTS = frozenset(AttemptOutcome) - {AttemptOutcome.LOST}


class Span(NamedTuple):
    """A part of the line. ``word``: the cause of a wait, or the outcome of an attempt."""

    word: str
    seconds: float
    x: float
    width: float


class Row(NamedTuple):
    """An attempt, or the wait for one. ``run``: None while it waits."""

    routine_id: str
    invocation: int
    attempt: int | None
    worker: str
    waits: list[Span]
    run: Span | None


class Timeline(NamedTuple):
    """``rows`` by routine, in the order of the flow; the earliest attempt first."""

    begin: datetime
    end: datetime
    rows: list[Row]


class _Part(NamedTuple):
    word: str
    begin: datetime
    end: datetime


class _Attempt(NamedTuple):
    routine_id: str
    invocation: int
    attempt: int | None
    worker: str
    waits: list[_Part]
    run: _Part | None

    @property
    def parts(self) -> list[_Part]:
        return self.waits if self.run is None else [*self.waits, self.run]


def timeline(
    routines: Iterable[str],
    history: Sequence[Entry],
    findings: Iterable[JobFinding],
    created_at: datetime,
) -> Timeline | None:
    """That of the latest entries of a history and of what ``explain`` finds; None without any.

    The first attempt of an invocation that was emitted has the time on the broker list as its wait:
    the history does not say since when it was parked before.
    """
    now = datetime.now(UTC)
    waited = _Waited(created_at, _halts(history, now))
    ended: dict[str, list[_Ended]] = {}
    for entry in history:
        waited.before(entry)
        if entry.invocation is None or entry.routine_id is None:
            continue
        if entry.kind in _ATTEMPTS:
            ended.setdefault(entry.routine_id, []).append(waited.ended(entry, entry.invocation))
        waited.behind(entry)
    waiting = [*waited.stopped(now), *_now(findings, waited, now)]
    chosen = list(_chosen(routines, ended, waiting))
    return _placed(chosen) if chosen else None


class _Ended(NamedTuple):
    """An entry of an attempt that has ended, and what its invocation had waited for until then: of
    most of them the row is never made.
    """

    entry: Entry
    invocation: int
    parts: Sequence[_Part]
    since: tuple[str, datetime] | None
    halts: Sequence[_Part]

    def attempt(self, routine_id: str) -> _Attempt | None:
        """The attempt; None where a former release has not kept how long it took."""
        details = self.entry.details
        if "seconds" not in details:
            return None
        begin = self.entry.at - timedelta(seconds=details["seconds"])
        waits = [*self.parts, *_waits(self.since, begin, self.halts)]
        return _Attempt(
            routine_id,
            self.invocation,
            details["attempt"],
            details["worker"],
            waits or _queued(begin, details.get("queued", 0.0)),
            _Part(self.entry.kind, begin, self.entry.at),
        )


class _Waited:
    """What each invocation has waited for, as far as the history says so."""

    def __init__(self, created_at: datetime, halts: Sequence[_Part]) -> None:
        self._created_at = created_at
        self.halts = halts
        #: Invocation -> the entry since which it waits.
        self._latest: dict[int, Entry] = {}
        #: Invocation -> its waits before that, since its latest attempt.
        self._parts: dict[int, list[_Part]] = {}

    def ended(self, entry: Entry, number: int) -> _Ended:
        """The end of an attempt of an invocation."""
        since = _since(number, self._latest, self._created_at)
        return _Ended(entry, number, self._parts.get(number, ()), since, self.halts)

    def until(self, number: int, end: datetime) -> list[_Part]:
        """The waits of an invocation that ended then."""
        since = _since(number, self._latest, self._created_at)
        return [*self._parts.get(number, ()), *_waits(since, end, self.halts)]

    def before(self, entry: Entry) -> None:
        """End the waits that an entry ends which is no attempt."""
        if entry.kind == "cancelled":
            self._latest.clear()
        elif entry.kind == "skipped_by_hand" and entry.invocation is not None:
            self._latest.pop(entry.invocation, None)
        elif entry.kind in _CHANGES:
            for number in self._changed(entry):
                self._parts[number] = self.until(number, entry.at)
                self._latest[number] = entry
        elif entry.kind == "waited_at_limit":
            self._waited_at_limit(entry)

    def _waited_at_limit(self, entry: Entry) -> None:
        """A place was free: an invocation has waited for it, or with its first one the job."""
        number = entry.invocation or 1
        begin = entry.at - timedelta(seconds=entry.details["seconds"])
        if number in self._latest:
            begin = max(begin, self._latest[number].at)
        at_limit = _waits(("limit", begin), entry.at, self.halts)
        self._parts[number] = [*self.until(number, begin), *at_limit]
        self._latest[number] = entry

    def _changed(self, entry: Entry) -> list[int]:
        """What waits for something else from then on: one invocation, or all that had stopped."""
        if entry.invocation is not None:
            return [entry.invocation]
        return [number for number, latest in self._latest.items() if latest.kind == "stopped"]

    def behind(self, entry: Entry) -> None:
        """Begin the wait that follows an entry of an invocation."""
        assert entry.invocation is not None
        if entry.kind in _CAUSES:
            self._latest[entry.invocation] = entry
        elif entry.kind in _ATTEMPTS:
            self._latest.pop(entry.invocation, None)
        if entry.kind in _ATTEMPTS or entry.kind == AttemptOutcome.LOST:
            self._parts.pop(entry.invocation, None)

    def stopped(self, now: datetime) -> Iterator[_Attempt]:
        """What is at a breakpoint now."""
        for number, entry in self._latest.items():
            if entry.kind == "stopped" and entry.routine_id is not None:
                yield _Attempt(entry.routine_id, number, None, "", self.until(number, now), None)


def _queued(begin: datetime, seconds: float) -> list[_Part]:
    """The time on the broker list before an attempt."""
    return [_Part("queue", begin - timedelta(seconds=seconds), begin)] if seconds else []


def _halts(history: Sequence[Entry], now: datetime) -> list[_Part]:
    """The times in which the job was paused, or had failed."""
    found: list[_Part] = []
    cause, since = "", now
    for entry in history:
        if not cause and entry.kind in _HALTS:
            cause, since = _HALTS[entry.kind], entry.at
        elif cause and entry.kind in _GOES_ON:
            found.append(_Part(cause, since, entry.at))
            cause = ""
    return [*found, _Part(cause, since, now)] if cause else found


def _since(
    number: int, latest: dict[int, Entry], created_at: datetime
) -> tuple[str, datetime] | None:
    """What an attempt has waited for, and since when, as far as it is known."""
    if number in latest:
        return _CAUSES[latest[number].kind], latest[number].at
    return (_CAUSES["submitted"], created_at) if number == 1 else None


def _waits(
    since: tuple[str, datetime] | None, end: datetime, halts: Sequence[_Part]
) -> Iterator[_Part]:
    """The wait until ``end``, with the times apart in which the job stood."""
    if since is None:
        return
    cause, at = since
    for halt in halts:
        begin, until = max(halt.begin, at), min(halt.end, end)
        if begin >= until:
            continue
        if begin > at:
            yield _Part(cause, at, begin)
        yield _Part(halt.word, begin, until)
        at = until
    if at < end:
        yield _Part(cause, at, end)


def _now(findings: Iterable[JobFinding], waited: _Waited, now: datetime) -> Iterator[_Attempt]:
    """What runs now, and what waits on a timer or at a limit."""
    for one in findings:
        if one.invocation is None or one.routine_id is None or one.since is None:
            continue
        attempt = one.details.get("attempt")
        if one.kind == FindingKind.RUNNING:
            begin = min(one.since, now)
            waits = waited.until(one.invocation, begin)
            run = _Part("running", begin, now)
            worker = one.details.get("worker") or ""
            yield _Attempt(one.routine_id, one.invocation, attempt, worker, waits, run)
        elif one.kind == FindingKind.TIMER:
            waits = list(_waits(("next attempt", min(one.since, now)), now, waited.halts))
            yield _Attempt(one.routine_id, one.invocation, None, "", waits, None)
        elif one.kind == FindingKind.LIMIT:
            since = min(one.since, now)
            at_limit = _waits(("limit", since), now, waited.halts)
            waits = [*waited.until(one.invocation, since), *at_limit]
            yield _Attempt(one.routine_id, one.invocation, None, "", waits, None)


def _chosen(
    routines: Iterable[str], ended: Mapping[str, Sequence[_Ended]], waiting: Sequence[_Attempt]
) -> Iterator[_Attempt]:
    """The latest attempts of each routine: those that wait or run are later than what has ended."""
    left = _ROWS
    for routine_id in routines:
        most = min(_OF_ROUTINE, left)
        own = [one for one in waiting if one.routine_id == routine_id and one.parts]
        own = own[-most:] if most else []
        latest = (one.attempt(routine_id) for one in reversed(ended.get(routine_id, ())))
        found = list(islice((one for one in latest if one is not None), most - len(own)))
        own = [*reversed(found), *own]
        left -= len(own)
        yield from own


def _placed(attempts: Sequence[_Attempt]) -> Timeline:
    parts = [part for one in attempts for part in one.parts]
    begin, end = min(part.begin for part in parts), max(part.end for part in parts)
    scale = WIDTH / max((end - begin).total_seconds(), 0.001)

    def span(part: _Part) -> Span:
        seconds = (part.end - part.begin).total_seconds()
        x = (part.begin - begin).total_seconds() * scale
        # What is too short to be seen is drawn a little longer, within the line.
        width = max(seconds * scale, 3.0)
        return Span(part.word, seconds, min(x, WIDTH - width), width)

    return Timeline(
        begin,
        end,
        [
            Row(
                one.routine_id,
                one.invocation,
                one.attempt,
                one.worker,
                [span(part) for part in one.waits],
                None if one.run is None else span(one.run),
            )
            for one in attempts
        ],
    )
