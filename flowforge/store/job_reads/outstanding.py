"""Where the outstanding work of one job is: a bounded look, however much there is of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from flowforge.codec.binary import read_invocation
from flowforge.codec.masking import masked
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName, in_job
from flowforge.model.jobs.job_handle import HistoryEntry, OpenJoin
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.store.history import history_entry
from flowforge.store.job_reads.job_rows import JobRows
from flowforge.store.job_reads.open_joins import open_join
from flowforge.store.reading import reading, whole
from flowforge.store.store import Store

#: Invocations of the job that are looked at one by one.
_SAMPLE = 64

#: Members of an index of all jobs among which those of the job are looked for.
_NEAR = 1000

#: Latest entries of the history that are read.
_LATEST = 50

#: Bytes of params that are not read.
_LARGE = 4096

#: How the record of an invocation begins that handles the items of a join, and of an answer that is
#: expected.
_NO_PARAMS = (b"J", b"E")

#: Kinds of entries that an invocation on a timer has as its latest.
_BEFORE_TIMER = frozenset({"retried", "released", "given_back"})


class JobList(NamedTuple):
    """A broker list with messages of a job. ``length``: its messages, of all jobs."""

    name: str
    messages: int
    length: int
    unclaimed: int


class Queued(NamedTuple):
    """An invocation with a message, and how many unclaimed ones of its list come before it."""

    invocation: InvocationName
    ahead: int


class OnTimer(NamedTuple):
    """An invocation on a timer, when it is due in milliseconds, and what the history says of it.

    ``put_off``: it has not been claimed yet, and waits for its first attempt.
    """

    invocation: InvocationName
    due: int
    entry: HistoryEntry | None
    put_off: bool


class CollectingJoin(NamedTuple):
    """A join that collects. ``due``: when its timeout is over in milliseconds; None: it has none.

    ``routine``, ``slot``: indexes in the definition.
    """

    join: OpenJoin
    routine: int
    slot: int
    due: int | None


class Outstanding:
    """Reads the outstanding work of a job whose definition its caller knows."""

    def __init__(self, store: Store, job_id: str, definition: Definition) -> None:
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)
        self._job_id = job_id
        self._definition = definition
        self._candidates: list[str] | None = None

    # --- queued --------------------------------------------------------------------------

    def lists(self, routines: Mapping[str, int]) -> dict[str, JobList]:
        """The broker lists with messages of the job, by queue.

        ``routines``: queue -> the index of any routine that uses it.
        """
        names = self._names(routines)
        queues, queued = self._rows.fields(self._job_id, "queues", "queued")
        with reading(f"the messages of job {self._job_id}"):
            if whole(queues or 1) > 1:
                counts = self._lanes()
            else:
                counts = dict.fromkeys(names.values(), whole(queued or 0))
        used = [(queue, name) for queue, name in names.items() if counts.get(name, 0) > 0]
        sizes = self._many(
            command
            for _, name in used
            for command in (("LLEN", name), ("ZCARD", self._keys.of("unclaimed", name)))
        )
        return {
            queue: JobList(name, counts[name], sizes[2 * place], sizes[2 * place + 1])
            for place, (queue, name) in enumerate(used)
        }

    def _names(self, routines: Mapping[str, int]) -> dict[str, str]:
        """Queue -> the job's broker list of it."""
        (suffix,) = self._rows.fields(self._job_id, "suffix")
        key = self._keys.of("definition", self._definition.hash)
        fields = [f"q{index}" for index in routines.values()]
        found = self._link.call("HMGET", key, *fields)
        return {
            queue: (name + (suffix or b"")).decode(errors="backslashreplace")
            for queue, name in zip(routines, found, strict=True)
            if name is not None
        }

    def _lanes(self) -> dict[str, int]:
        """Broker list -> messages of a job on several queues."""
        reply = self._link.call("HGETALL", self._keys.of("lanes", self._job_id))
        return {
            field[1:].decode(): whole(count)
            for field, count in zip(reply[::2], reply[1::2], strict=True)
            if field.startswith(b"q")
        }

    def queued_on(self, name: str) -> list[Queued]:
        """Some of the job's invocations with a message on this list, the next one first.

        Empty when more than 1,000 messages of other jobs are before them.
        """
        return self._ranked(self._keys.of("unclaimed", name))

    def waiting_for_turn(self, name: str, fair_key: str) -> list[Queued]:
        """Some of those that wait for the turns of the fair key on this list, in the same way."""
        return self._ranked(self._keys.of("fair_waiting", f"{name}\n{fair_key}"))

    def _ranked(self, key: str) -> list[Queued]:
        members = [in_job(self._job_id, text) for text in self._sample()]
        ranks = self._many(("ZRANK", key, member) for member in members)
        found = [
            (member, rank) for member, rank in zip(members, ranks, strict=True) if rank is not None
        ]
        if not found:
            oldest = self._link.call("ZRANGE", key, 0, _NEAR - 1)
            found = [
                (member.decode(errors="backslashreplace"), rank)
                for member, rank in self._own(oldest)
            ]
        with reading(f"the messages of job {self._job_id}"):
            return [
                Queued(InvocationName.parse(member.rpartition("/")[2]), rank)
                for member, rank in sorted(found, key=lambda one: one[1])
            ]

    # --- timers --------------------------------------------------------------------------

    def on_timers(self) -> list[OnTimer]:
        """Some of the job's invocations on a timer, the one that is due next first."""
        entries = self._latest_entries()
        key = self._keys.of("timers")
        texts = list(dict.fromkeys([*entries, *self._sample()]))
        dues = self._many(("ZSCORE", key, in_job(self._job_id, text)) for text in texts)
        found = {text: float(due) for text, due in zip(texts, dues, strict=True) if due is not None}
        if not found:
            next_ones = self._link.call("ZRANGE", key, 0, _NEAR - 1, "WITHSCORES")
            pairs = list(zip(next_ones[::2], next_ones[1::2], strict=True))
            for member, place in self._own([member for member, _ in pairs]):
                text = member.decode(errors="backslashreplace").partition("/")[2]
                found[text] = float(pairs[place][1])
        with reading(f"the timers of job {self._job_id}"):
            texts = [text for text in found if text[:1].isdigit()]
            put_off = self._put_off(texts)
            return sorted(
                (
                    OnTimer(
                        InvocationName.parse(text),
                        int(found[text]),
                        entries.get(text),
                        text in put_off,
                    )
                    for text in texts
                ),
                key=lambda one: one.due,
            )

    def _put_off(self, texts: Sequence[str]) -> set[str]:
        """Those that no worker has claimed or given back."""
        if not texts:
            return set()
        key = self._keys.of("claims", self._job_id)
        claims = self._link.call("HMGET", key, *texts, *(f"u{text}" for text in texts))
        pairs = zip(texts, claims[: len(texts)], claims[len(texts) :], strict=True)
        return {text for text, claimed, given_back in pairs if claimed is given_back is None}

    def _latest_entries(self) -> dict[str, HistoryEntry]:
        """Invocation -> the latest entry of it that may have set a timer."""
        key = self._keys.of("history", self._job_id)
        found: dict[str, HistoryEntry] = {}
        for raw in self._link.call("XREVRANGE", key, "+", "-", "COUNT", _LATEST):
            entry = history_entry(raw, self._definition, self._job_id)
            pairs = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
            if entry.kind in _BEFORE_TIMER:
                found.setdefault(pairs[b"t"].decode(), entry)
        return found

    def params(self, invocation: InvocationName) -> dict[str, Any] | None:
        """The params of an outstanding invocation, secret ones masked; None when they are large, or
        are not stored with it, as those of a join and of an answer that is expected.
        """
        key = self._keys.of("invocations", self._job_id)
        if not 0 < self._link.call("HSTRLEN", key, str(invocation)) <= _LARGE:
            return None
        raw = self._link.call("HGET", key, str(invocation))
        if raw is None or raw.startswith(_NO_PARAMS) or invocation.slot == CHILD_SLOT_INDEX:
            return None
        secret = self._definition.secret(invocation.routine, invocation.slot)
        params = read_invocation(raw, f"invocation {invocation} of job {self._job_id}")[1]
        return masked(params, secret)

    # --- joins and child jobs --------------------------------------------------------------

    def joins(self, most: int) -> tuple[int, list[CollectingJoin]]:
        """How many joins collect, and some of them."""
        opened, joins = (self._keys.of(name, self._job_id) for name in ("opened", "joins"))
        count, places = self._many([("HLEN", joins), ("ZRANGE", opened, 0, most - 1)])
        with reading(f"the open joins of job {self._job_id}"):
            fields = [_join_field(place.decode()) for place in places]
            states = self._link.call("HMGET", joins, *fields) if fields else []
            found = [
                self._collecting(field, state)
                for field, state in zip(fields, states, strict=True)
                if state is not None  # it has fired since
            ]
        return count, found

    def _collecting(self, field: str, state: bytes) -> CollectingJoin:
        number, items = state.decode().split(" ")
        timer = f"{self._job_id}/join/{number} {field}"
        due = self._link.call("ZSCORE", self._keys.of("timers"), timer)
        join = open_join(self._definition, self._job_id, field, whole(items))
        routine, slot = (whole(part) for part in field.partition("/")[0].split("."))
        return CollectingJoin(join, routine, slot, None if due is None else int(float(due)))

    def outstanding_of(self, routines: Sequence[int]) -> dict[int, int]:
        """Routine index -> invocations of it that are not committed, above zero."""
        if not routines:
            return {}
        key = self._keys.of("outstanding", self._job_id)
        counts = self._link.call("HMGET", key, *routines)
        with reading(f"the outstanding invocations of job {self._job_id}"):
            found = {
                index: whole(count or 0) for index, count in zip(routines, counts, strict=True)
            }
        return {index: count for index, count in found.items() if count > 0}

    def children(self, most: int) -> tuple[int, list[tuple[str, InvocationName]]]:
        """How many child jobs the job waits for, and some of them with what waits for each."""
        key = self._keys.of("children", self._job_id)
        count, page = self._many([("HLEN", key), ("HRANDFIELD", key, most, "WITHVALUES")])
        with reading(f"the child jobs of job {self._job_id}"):
            pairs = zip(page[::2], page[1::2], strict=True)
            found = [(child.decode(), InvocationName.parse(text.decode())) for child, text in pairs]
        return count, sorted(found, key=lambda one: one[1])

    # --- inside --------------------------------------------------------------------------

    def _sample(self) -> list[str]:
        """Some of the outstanding invocations; all if there are few."""
        if self._candidates is None:
            key = self._keys.of("invocations", self._job_id)
            raw = self._link.call("HRANDFIELD", key, _SAMPLE) or []
            self._candidates = [text.decode(errors="backslashreplace") for text in raw]
        return self._candidates

    def sampled_routines(self) -> list[int]:
        """Indexes of the routines of some of the outstanding invocations."""
        with reading(f"the invocations of job {self._job_id}"):
            return sorted({InvocationName.parse(text).routine for text in self._sample()})

    def _own(self, members: Iterable[bytes]) -> list[tuple[bytes, int]]:
        """Those members that begin with the job's id, with their places."""
        own = f"{self._job_id}/".encode()
        return [(member, place) for place, member in enumerate(members) if member.startswith(own)]

    def _many(self, commands: Iterable[Sequence[str | int]]) -> list[Any]:
        sent = list(commands)
        return self._link.many(sent) if sent else []


def _join_field(place: str) -> str:
    """``r.s/number/key`` of the index of open collections -> ``r.s/key``."""
    slot, _, rest = place.partition("/")
    return f"{slot}/{rest.partition('/')[2]}"
