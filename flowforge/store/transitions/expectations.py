"""Answers that jobs expect from outside: delivering them, and reading what is open."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowforge.errors import RecordError
from flowforge.model.answers.expectation import Expectation, place_text
from flowforge.model.definition import Definition
from flowforge.store.keys import Keys
from flowforge.store.reading import moment, reading, typed, whole
from flowforge.store.runner import ScriptRunner, new_request
from flowforge.store.server.link import Link
from flowforge.store.transitions.answers import ANSWER, Answer, AnswerOrStatus

#: Fields of a hash that one command asks for, and members of an index that one command reads.
_AT_ONCE = 500

#: What stands between assignees.
_BETWEEN = "\t"


class Listed(NamedTuple):
    """An open expectation in the index of all. ``since``: milliseconds."""

    since: int
    member: str
    job_id: str
    number: int


class Open(NamedTuple):
    """An open expectation as it is stored; times in milliseconds, 0 where there is none.

    ``place``: routine and slot, as indexes. ``form``: the hash of its form.
    """

    number: int
    since: int
    until: int
    remind: int
    first: int
    last: int
    otherwise: bool
    place: tuple[int, int]
    key: str
    assign: tuple[str, ...]
    form: str


class Closed(NamedTuple):
    """What became of an expectation. ``how``: ``a`` answered, ``t`` its time was over, ``w``
    another was answered in its place, ``s`` skipped, ``e`` answered before it was open.

    ``by``: who has answered. ``instead``: routine and slot, as indexes, and key of the other one.
    """

    how: str
    at: datetime
    by: str
    instead: tuple[int, int, str] | None


class Delivery(NamedTuple):
    """What became of an answer. ``number``: of the invocation that handles it."""

    answer: AnswerOrStatus
    number: int | None
    closed: Closed | None


class Waiting(NamedTuple):
    """Open expectations of all jobs. ``oldest``: milliseconds since when, None where there is none.

    ``older``: those from before the time that was asked for.
    """

    number: int
    oldest: int | None
    older: int


class Expectations:
    """``deliver`` is one script; the other methods read."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts
        self._link: Link = scripts.link
        self._keys: Keys = scripts.keys

    def deliver(
        self, job_id: str, place: tuple[int, int], key: str, number: int | None, mode: str,
        record: bytes, by: str, delivery_id: str, details: bytes,
    ) -> Delivery:  # fmt: skip
        """Deliver an answer. ``number``: of the expectation that is meant; None: any; 0:
        none is open as far as the caller knows.

        OK, or KEPT when nothing expects it yet; or why not: ANSWERED (and what became of the
        expectation), FULL, NONE, GONE, NEWER, the status of a job that is completed or cancelled.
        """
        reply = self._scripts.run(
            "answer", job_id, _field(place, key), "" if number is None else number, mode, record,
            by, delivery_id, new_request(), details,
        )  # fmt: skip
        answer = ANSWER[reply[0]]
        with reading(f"an answer of job {job_id}"):
            if answer is Answer.OK:
                return Delivery(answer, whole(reply[1]), None)
            state = reply[1] if len(reply) > 1 else b""
            return Delivery(answer, None, _closed(state.decode()))

    # --- reading -------------------------------------------------------------------------

    def waiting(self, before: int = 0) -> Waiting:
        """How many are open, of all jobs; ``before``: milliseconds."""
        index = self._keys.of("open_expectations")
        count, first, older = self._link.many(
            [
                ("ZCARD", index),
                ("ZRANGE", index, 0, 0, "WITHSCORES"),
                ("ZCOUNT", index, "-inf", f"({before}"),
            ]
        )
        return Waiting(count, int(float(first[1])) if first else None, older)

    def behind(self, assigned: str | None, last: Listed | None, size: int) -> list[Listed]:
        """The next open ones of all jobs, the oldest first; none at the end.

        ``assigned``: those of one assignee; ``last``: the one that they come behind.
        """
        index = self._keys.of("open_expectations")
        if assigned is not None:
            index = self._keys.of("assigned", assigned)
        since, passed = "-inf" if last is None else last.since, 0
        while True:
            raw = self._link.call(
                "ZRANGE", index, since, "+inf", "BYSCORE", "LIMIT", passed, size, "WITHSCORES"
            )
            with reading("the index of open expectations"):
                found = [
                    _listed(member.decode(), score)
                    for member, score in zip(raw[::2], raw[1::2], strict=True)
                ]
            fresh = found if last is None else [one for one in found if one > last]
            if fresh or len(found) < size:
                return fresh
            # As many began in the millisecond of the last one.
            passed += size

    def assignees(self, cursor: str, most: int) -> tuple[str, list[str]]:
        """About ``most`` names that have open expectations, from ``cursor`` on; the next cursor."""
        found, names = self._link.call("HSCAN", self._keys.of("assignees"), cursor, "COUNT", most)
        with reading("the assignees"):
            return found.decode(), [name.decode() for name in names[::2]]

    def of_numbers(self, wanted: Sequence[tuple[str, int]]) -> list[Open | None]:
        """Those of jobs and numbers that are still open."""
        raw = self._link.many(
            [("HGET", self._keys.of("expectations", job_id), number) for job_id, number in wanted]
        )
        with reading("open expectations"):
            return [
                None if text is None else _open(number, typed(text, bytes).decode())
                for (_, number), text in zip(wanted, raw, strict=True)
            ]

    def of_job(self, job_id: str, most: int) -> list[Open]:
        """Open ones of a job, in the order in which it began to expect them."""
        key, cursor, found = self._keys.of("expectations", job_id), b"0", list[Open]()
        with reading(f"the expectations of job {job_id}"):
            while True:
                cursor, page = self._link.call("HSCAN", key, cursor, "COUNT", _AT_ONCE)
                pairs = zip(page[::2], page[1::2], strict=True)
                found += (_open(whole(number), text.decode()) for number, text in pairs)
                if cursor == b"0" or len(found) > 4 * most:
                    break
        unique = {one.number: one for one in found}
        return [unique[number] for number in sorted(unique)][:most]

    def open_number(self, job_id: str, place: tuple[int, int], key: str) -> int | None:
        """The number of what is open for a slot and key."""
        state = self._state(job_id, _field(place, key))
        return whole(state.split(" ")[1]) if state.startswith("o ") else None

    def of_link(self, job_id: str, token_hash: str) -> tuple[int, Closed | None] | None:
        """The number that a link is for, and what became of it; None: there is no such link."""
        state = self._state(job_id, f"t{token_hash}")
        if not state:
            return None
        with reading(f"a link of job {job_id}"):
            return whole(state.split(" ")[1]), _closed(state)

    def form(self, job_id: str, name: str) -> dict[str, Any] | None:
        """A form by its hash; None without one."""
        return self.forms(job_id, [name] if name else []).get(name)

    def forms(self, job_id: str, names: Collection[str]) -> dict[str, dict[str, Any]]:
        """Forms by their hashes, in one command."""
        if not names:
            return {}
        key = self._keys.of("answers", job_id)
        raw = self._link.call("HMGET", key, *(f"f{name}" for name in names))
        found = zip(names, raw, strict=True)
        return {name: _form(job_id, form) for name, form in found if form is not None}

    def forms_of(
        self, wanted: Sequence[tuple[str, str]]
    ) -> list[dict[str, Any] | RecordError | None]:
        """Those of jobs and hashes, None for an empty hash; the error of an unreadable one."""
        named = list(dict.fromkeys(one for one in wanted if one[1]))
        raw = self._link.many(
            [("HGET", self._keys.of("answers", job_id), f"f{name}") for job_id, name in named]
        )
        found = dict(zip(named, raw, strict=True))
        return [_form_or_error(job_id, found.get((job_id, name))) for job_id, name in wanted]

    def _state(self, job_id: str, field: str) -> str:
        raw = self._link.call("HGET", self._keys.of("answers", job_id), field)
        with reading(f"the answers of job {job_id}"):
            return "" if raw is None else str(raw.decode())


def _form(job_id: str, raw: object) -> dict[str, Any]:
    with reading(f"a form of job {job_id}"):
        found: dict[str, Any] = typed(json.loads(typed(raw, bytes)), dict)
    return found


def _form_or_error(job_id: str, raw: object) -> dict[str, Any] | RecordError | None:
    try:
        return None if raw is None else _form(job_id, raw)
    except RecordError as error:
        return error


def _listed(member: str, score: bytes) -> Listed:
    job_id, _, number = member.rpartition("/")
    return Listed(int(float(score)), member, job_id, whole(number))


def _field(place: tuple[int, int], key: str) -> str:
    return f"{place[0]}.{place[1]}/{key}"


def _place(field: str) -> tuple[int, int, str]:
    numbers, _, key = field.partition("/")
    routine, _, slot = numbers.partition(".")
    return whole(routine), whole(slot), key


def _open(number: int, text: str) -> Open:
    numbers, field, assigned, form, *_ = text.split("\n", 6)
    since, until, _, remind, first, last, _, otherwise = (
        whole(part) for part in numbers.split(" ")
    )
    routine, slot, key = _place(field)
    names = tuple(assigned.split(_BETWEEN)) if assigned else ()
    return Open(
        number, since, until, remind, first, last, otherwise == 1, (routine, slot), key, names, form
    )


def _closed(state: str) -> Closed | None:
    """What a state says, but of an open expectation and of none."""
    if not state or state.startswith("o "):
        return None
    how, _, ms, about, by = state.split(" ", 4)
    instead = _place(about) if how == "w" else None
    return Closed(how, moment(ms.encode()), by, instead)


def told(closed: Closed, definition: Definition) -> str:
    """What became of an expectation, for a sentence that begins with its place."""
    at = f"at {closed.at:%Y-%m-%d %H:%M:%S} UTC"
    if closed.how == "t":
        return f"the time for it was over {at}"
    if closed.how == "s":
        return f"it was skipped {at}"
    if closed.how == "e":
        return f"{closed.by} has answered {at}, before it is expected"
    if closed.instead is not None:
        routine, slot, key = closed.instead
        spec = definition.routine(routine)
        place = place_text(spec.id, spec.slot_names[slot], key)
        return f"{closed.by or 'the end of its time'} has answered {place} in place of it {at}"
    return f"{closed.by} has answered {at}"


def shown_expectation(
    job_id: str, definition: Definition, one: Open, form: dict[str, Any] | None
) -> Expectation:
    """As people and programs see it."""
    routine, slot = one.place
    spec = definition.routine(routine)
    return Expectation(
        job_id, definition.flow_id, one.number, spec.id, spec.slot_names[slot], one.key,
        moment(one.since), moment(one.until) if one.until else None, one.otherwise,
        one.remind / 1000 if one.remind else None, one.assign, form,
        tuple(range(one.first, one.last + 1)),
    )  # fmt: skip
