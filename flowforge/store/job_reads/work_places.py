"""Where the invocations of a job are, by routine and slot: a bounded look at any number."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from flowforge.common.lru_cache import Recent
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName, in_job
from flowforge.model.jobs.status import JobStatus
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.store.job_reads.history_counts import HistoryCounts, Place
from flowforge.store.job_reads.job_rows import job_not_found, status_of
from flowforge.store.job_reads.routine_states import routine_states
from flowforge.store.job_reads.work_left import WORK, work_left
from flowforge.store.reading import reading, whole
from flowforge.store.store import Store

#: Invocations that are looked for one by one; of more, so many are a sample.
SAMPLE = 200

#: Jobs whose histories are added up further with each look.
_JOBS = 32

_ROW = ("status", "window", "suffix", "entry", "forked_from", *WORK.values())

#: Where an invocation is that is in none of the indexes: a handler runs it, or it is parked.
OTHER = "other"


class Placed(NamedTuple):
    """``places``: routine and slot index -> where -> how many: ``queued``, ``timer``,
    ``breakpoint``, ``expects``, ``child`` and OTHER; without the job's first invocation, which is
    in ``first``. ``sampled``: they are estimates.

    ``history``: what the history has told until now, and ``told`` whether that is all.
    ``entered_once``: the job began with one invocation, unlike a fork.
    """

    status: JobStatus
    counts: dict[str, int]
    max_in_flight: int
    entry: str
    entered_once: bool
    states: dict[str, dict[str, Any]]
    places: dict[Place, Counter[str]]
    first: dict[Place, Counter[str]]
    sampled: bool
    history: HistoryCounts
    told: bool


class PlaceReader:
    """Looks at jobs of one fleet. It remembers what it has read of their histories."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = store.link
        self._keys = store.keys
        self._histories: Recent[str, HistoryCounts] = Recent(_JOBS)

    def read(self, job_id: str, definition: Definition) -> Placed:
        """Where the invocations of a job are; JobNotFoundError."""
        history = self._histories.get(job_id)
        if history is None:
            history = self._histories.add(job_id, HistoryCounts(job_id))
        keys = self._keys
        others: list[Sequence[str | int]] = [
            ("HMGET", keys.of("job", job_id), *_ROW),
            ("HLEN", keys.of("invocations", job_id)),
            ("HLEN", keys.of("children", job_id)),
            ("HRANDFIELD", keys.of("invocations", job_id), SAMPLE),
            ("HGETALL", keys.of("routines", job_id)),
            (
                "HMGET",
                keys.of("definition", definition.hash),
                *(f"q{index}" for index in range(len(definition.routines))),
            ),
        ]
        with reading(f"the work of job {job_id}"):
            told, (values, count, children, sample, routines, queues) = history.look(
                self._store, others
            )
            row: dict[str, bytes | None] = dict(zip(_ROW, values, strict=True))
            if row["status"] is None:
                raise job_not_found(job_id)
            names = [InvocationName.parse(text.decode()) for text in sample or ()]
            lists = [None if name is None else name + (row["suffix"] or b"") for name in queues]
            scale = count / len(names) if names else 1.0
            left = work_left(row)
            at_limits = self._at_limits(job_id, names) if left["at_limits"] > 0 else frozenset()
            where = self._where(job_id, names, lists, children > 0, left["expected"] > 0, at_limits)
            first, places = _places(names, where, scale)
            counters = dict(zip(routines[::2], routines[1::2], strict=True))
            return Placed(
                status_of(row["status"], job_id),
                left,
                whole(row["window"] or 0),
                (row["entry"] or b"").decode(),
                row["forked_from"] is None,
                routine_states(definition, counters, {}, {}),
                places,
                first,
                count > len(names),
                history,
                told,
            )

    def _where(
        self,
        job_id: str,
        names: Sequence[InvocationName],
        lists: Sequence[bytes | None],
        has_children: bool,
        has_expected: bool,
        at_limits: frozenset[int],
    ) -> Iterator[str]:
        if not names:
            return iter(())
        members = [in_job(job_id, str(name)) for name in names]
        used = sorted({one for one in lists if one is not None})
        timers, stopped, *queued = self._link.many(
            [
                ("ZMSCORE", self._keys.of("timers"), *members),
                ("ZMSCORE", self._keys.of("stopped", job_id), *map(str, names)),
                *(("ZMSCORE", self._keys.of("unclaimed", one.decode()), *members) for one in used),
            ]
        )
        expected = self._expected(job_id, names) if has_expected else frozenset[int]()
        by_list: Mapping[bytes | None, Sequence[Any]] = dict(zip(used, queued, strict=True))
        return (
            _state(
                name,
                timers[place],
                stopped[place],
                _at(by_list.get(_at(lists, name.routine)), place),
                has_children,
                name.number in expected,
                name.number in at_limits,
            )
            for place, name in enumerate(names)
        )

    def _at_limits(self, job_id: str, names: Sequence[InvocationName]) -> frozenset[int]:
        """The numbers of those that wait for a place of a limit."""
        if not names:
            return frozenset()
        fields = [f"n{name}" for name in names]
        found = self._link.call("HMGET", self._keys.of("limited", job_id), *fields)
        return frozenset(name.number for name, one in zip(names, found, strict=True) if one)

    def _expected(self, job_id: str, names: Sequence[InvocationName]) -> frozenset[int]:
        """The numbers of those that are answers which the job expects."""
        numbers = [name.number for name in names]
        found = self._link.call("HMGET", self._keys.of("expectations", job_id), *numbers)
        return frozenset(number for number, one in zip(numbers, found, strict=True) if one)


def _places(
    names: Sequence[InvocationName], where: Iterator[str], scale: float
) -> tuple[dict[Place, Counter[str]], dict[Place, Counter[str]]]:
    """Those of the first invocation, and those of the others."""
    first: dict[Place, Counter[str]] = defaultdict(Counter)
    found: dict[Place, Counter[str]] = defaultdict(Counter)
    for name, state in zip(names, where, strict=True):
        (first if name.number == 1 else found)[name.routine, name.slot][state] += 1
    return first, {
        place: Counter({state: round(count * scale) for state, count in states.items()})
        for place, states in found.items()
    }


def _at(row: Sequence[Any] | None, place: int) -> Any:
    return row[place] if row is not None and place < len(row) else None


def _state(
    name: InvocationName, timer: Any, stopped: Any, queued: Any, has_children: bool,
    expected: bool, at_limit: bool,
) -> str:  # fmt: skip
    if queued is not None:
        return "queued"
    if timer is not None:
        return "timer"
    # With 0 it was let go.
    if stopped is not None and float(stopped) > 0:
        return "breakpoint"
    if expected:
        return "expects"
    if at_limit:
        return "limit"
    return "child" if has_children and name.slot == CHILD_SLOT_INDEX else OTHER
