"""The invocations of a routine that are in one state: a bounded look, however many there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowforge.errors import InvalidValueError
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.fleet_reads.leases import Leases
from flowforge.store.history import history_entry
from flowforge.store.invocation_reads.invocation_looks import kind_of, name_in
from flowforge.store.invocation_reads.parked_lists import parked_list
from flowforge.store.reading import moment, reading
from flowforge.store.store import Store

#: Invocations that one list has.
MOST = 200

#: Members that one command looks at, and commands of one look.
_PAGE = 1000
_PAGES = 10

#: Outcomes of attempts that raised.
_RAISED = frozenset({AttemptOutcome.FAILED, AttemptOutcome.ERROR_CONTINUED, AttemptOutcome.SKIPPED})

#: Entries after which an invocation still has to run: of what an operator did, and of breakpoints.
_CHANGED = frozenset({"edited", "run_now", "rescheduled", "stopped", "let_go"})


class ListedInvocation(NamedTuple):
    """``at``: when it was claimed, when it stopped at a breakpoint, when its timer is over, or when
    its attempt ended; None: it is not known, or it is parked.

    ``kind``: the outcome of an attempt that raised, and ``error`` what. ``pid``: the process that
    runs it.
    """

    number: int
    slot: str
    at: datetime | None = None
    attempt: int | None = None
    pid: int | None = None
    kind: str = ""
    error: str = ""


class InvocationList(NamedTuple):
    """``following``: where the next list goes on; None: that is all."""

    rows: list[ListedInvocation]
    following: str | None


class InvocationLists:
    """Lists invocations of a job whose definition its caller knows."""

    def __init__(self, store: Store, job_id: str, definition: Definition) -> None:
        self._store = store
        self._link = store.link
        self._keys = store.keys
        self._job_id = job_id
        self._definition = definition
        #: What lists those of each state, by its name.
        self._by_state: dict[str, Callable[[int, str | None], InvocationList]] = {
            "running": self._running,
            "timer": self._on_timers,
            "parked": self._parked,
            "stopped": self._stopped,
            "failed": self._raised,
        }

    @property
    def states(self) -> Sequence[str]:
        return list(self._by_state)

    def of(self, routine: int, state: str, after: str | None = None) -> InvocationList:
        """At most 200 of a routine, by its index. ``after``: ``following`` of the list before.

        ValueError for a state or a place that there is not.
        """
        if state not in self._by_state:
            raise InvalidValueError(f"{state!r} is no state: there are {', '.join(self._by_state)}")
        with reading(f"the invocations of job {self._job_id}"):
            return self._by_state[state](routine, after)

    def _running(self, routine: int, _: str | None) -> InvocationList:
        """The oldest ones: of a fleet with more than 10,000 leases some may be missing."""
        found = Leases(self._store).of_job(self._job_id, MOST, routine)
        return InvocationList(
            [
                self._row(
                    one.invocation,
                    at=None if one.claimed is None else moment(max(0, one.claimed)),
                    attempt=one.number,
                    pid=one.owner.pid,
                )
                for one in found
            ],
            None,
        )

    def _on_timers(self, routine: int, after: str | None) -> InvocationList:
        cursor, found = str(_place(after)), list[tuple[int, InvocationName]]()
        pattern = f"{self._job_id}/*.{routine}.*"
        for _ in range(_PAGES):
            reply, page = self._link.call(
                "ZSCAN", self._keys.of("timers"), cursor, "MATCH", pattern, "COUNT", MOST
            )
            cursor = reply.decode()
            for member, due in zip(page[::2], page[1::2], strict=True):
                text = member.decode().partition("/")[2]
                if text[:1].isdigit() and (named := InvocationName.parse(text)).routine == routine:
                    found.append((int(float(due)), named))
            if cursor == "0" or len(found) >= MOST:
                break
        rows = [self._row(named, at=moment(due)) for due, named in sorted(set(found))]
        return InvocationList(rows, None if cursor == "0" else cursor)

    def _parked(self, routine: int, after: str | None) -> InvocationList:
        key = parked_list(self._store, self._job_id, self._definition, routine).key
        place, rows = _place(after), list[ListedInvocation]()
        for _ in range(_PAGES):
            names = self._link.call("LRANGE", key, place, place + _PAGE - 1)
            for name in names:
                place += 1
                named = InvocationName.parse(name.decode())
                if named.routine == routine:
                    rows.append(self._row(named))
                if len(rows) == MOST:
                    return InvocationList(rows, str(place))
            if len(names) < _PAGE:
                return InvocationList(rows, None)
        return InvocationList(rows, str(place))

    def _stopped(self, routine: int, after: str | None) -> InvocationList:
        reader, place, rows = self._store.breakpoints, _place(after), list[ListedInvocation]()
        for _ in range(_PAGES):
            some = reader.stopped(self._job_id, _PAGE, place)
            for named, at in some:
                place += 1
                if named.routine == routine:
                    rows.append(self._row(named, at=moment(max(0, at))))
                if len(rows) == MOST:
                    return InvocationList(rows, str(place))
            if len(some) < _PAGE:
                return InvocationList(rows, None)
        return InvocationList(rows, str(place))

    def _raised(self, routine: int, after: str | None) -> InvocationList:
        """Those whose latest attempt raised, the latest first, among the entries looked at."""
        key, end = self._keys.of("history", self._job_id), "+"
        if after is not None:
            end = f"({_entry_id(after)}"
        rows, known = list[ListedInvocation](), set[bytes]()
        for _ in range(_PAGES):
            raws = self._link.call("XREVRANGE", key, end, "-", "COUNT", _PAGE)
            for raw in raws:
                name, end = name_in(raw), f"({raw[0].decode()}"
                if not name or name in known or (kind := kind_of(raw)) in _CHANGED:
                    continue
                known.add(name)
                if kind not in _RAISED:
                    continue
                named = InvocationName.parse(name.decode())
                if named.routine == routine:
                    rows.append(self._raised_row(named, raw))
                if len(rows) == MOST:
                    return InvocationList(rows, end[1:])
            if len(raws) < _PAGE:
                return InvocationList(rows, None)
        return InvocationList(rows, end[1:])

    def _raised_row(self, named: InvocationName, raw: list[Any]) -> ListedInvocation:
        entry = history_entry(raw, self._definition, self._job_id)
        error = entry.details.get("error", {})
        return self._row(
            named, at=entry.at, attempt=entry.details.get("attempt"), kind=entry.kind,
            error=": ".join(error[part] for part in ("type", "message") if part in error),
        )  # fmt: skip

    def _row(self, named: InvocationName, **about: Any) -> ListedInvocation:
        return ListedInvocation(named.number, self._definition.place_of(named)[1], **about)


def _place(after: str | None) -> int:
    if after is None:
        return 0
    if not after.isascii() or not after.isdigit() or len(after) > 20:
        raise InvalidValueError("this is no place in the list")
    return int(after)


def _entry_id(after: str) -> str:
    ms, _, number = after.partition("-")
    return f"{_place(ms)}-{_place(number)}"
