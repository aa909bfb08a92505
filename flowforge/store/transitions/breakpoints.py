"""Breakpoints of jobs: setting and clearing them, letting go what has stopped, reading them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.model.condition import Condition, Term
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.breakpoint import Breakpoint
from flowforge.store.keys import Keys
from flowforge.store.reading import moment, reading, typed
from flowforge.store.runner import ScriptRunner, new_request
from flowforge.store.server.link import Link
from flowforge.store.transitions.answers import (
    BREAK_AT,
    CLEAR_BREAK,
    LET_GO,
    Answer,
    AnswerOrStatus,
)

#: Invocations that one call lets go.
AT_ONCE = 128

#: Stopped invocations that one command reads, and invocations of a breakpoint that are named.
_PAGE = 1000
_NAMED = 100

#: Stopped invocations that one look reads, those that stopped first: open pages look once a second.
LOOKED = 2 * _PAGE


def pack_condition(condition: Condition) -> bytes:
    """As it is stored; empty for one that is always fulfilled."""
    terms = [[term.param, term.comparison, term.value] for term in condition.terms]
    return pack_record(terms) if terms else b""


def read_condition(packed: bytes) -> Condition:
    """What ``pack_condition`` made; raises for what it did not make."""
    (terms,) = unpack_record(packed, "the condition of a breakpoint", 1)
    return Condition(tuple(Term(param, comparison, value) for param, comparison, value in terms))


class Stopped(NamedTuple):
    """An invocation at a breakpoint. ``at``: milliseconds since when."""

    invocation: InvocationName
    at: int


class Breakpoints:
    """Each method but for the readers is one script, or some calls of it, which operators run."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts
        self._link: Link = scripts.link
        self._keys: Keys = scripts.keys

    def set(
        self, job_id: str, routine: int, condition: bytes, about: bytes, details: bytes
    ) -> AnswerOrStatus:
        """OK, or why not: GONE, NEWER, the status of a job that is completed or cancelled.

        ``about``: packed, for those who read it; ``details``: for the history.
        """
        reply = self._scripts.run(
            "break_at", job_id, new_request(), details, routine, condition, about
        )
        return BREAK_AT[reply]

    def clear(self, job_id: str, routine: int | None, details: bytes) -> AnswerOrStatus:
        """That of a routine or all: OK, or why not: NONE, and as ``set``."""
        index = "" if routine is None else routine
        reply = self._scripts.run("clear_break", job_id, new_request(), details, index)
        return CLEAR_BREAK[reply]

    def step(self, job_id: str, invocation: str, details: bytes) -> AnswerOrStatus:
        """Let one go, the one that stopped first where none is named: OK, or why not: NONE, and as
        ``set``.
        """
        reply = self._scripts.run(
            "let_go", job_id, new_request(), details, invocation, "", 1, "", ""
        )
        answer = LET_GO[reply[0]]
        return Answer.OK if answer is Answer.MORE else answer

    def go_on(self, job_id: str, routine: int | None, details: bytes) -> AnswerOrStatus:
        """Let all go that have stopped by now, of a routine or of all: answers as ``step``."""
        index = "" if routine is None else routine
        # Asked once: what stops from now on stays, also when a reply is lost.
        latest = self._link.call(
            "ZRANGE", self._keys.of("stopped", job_id), -1, -1, "WITHSCORES"
        )  # fmt: skip
        until: bytes = latest[1] if latest else b""
        following, found = b"", 0
        while True:
            reply = self._scripts.run(
                "let_go", job_id, new_request(), b"" if found else details, "", index, AT_ONCE,
                until, following,
            )  # fmt: skip
            answer = LET_GO[reply[0]]
            if answer is not Answer.MORE:
                return Answer.OK if found and answer is Answer.NONE else answer
            _, following, some = reply
            found += some

    # --- reading -------------------------------------------------------------------------

    def stopped(self, job_id: str, most: int, first: int = 0) -> list[Stopped]:
        """Invocations that have stopped, those that stopped first, without the ``first`` ones."""
        key = self._keys.of("stopped", job_id)
        raw = self._link.call(
            "ZRANGEBYSCORE", key, "(0", "+inf", "WITHSCORES", "LIMIT", first, most
        )
        with reading(f"what has stopped of job {job_id}"):
            return [
                Stopped(InvocationName.parse(name.decode()), int(float(at)))
                for name, at in zip(raw[::2], raw[1::2], strict=True)
            ]

    def of_job(self, job_id: str, definition: Definition) -> list[Breakpoint]:
        """Those that are set, in the order of the flow's routines."""
        raw = self._link.call("HGETALL", self._keys.of("breakpoints", job_id))
        if not raw:
            return []
        fields = dict(zip(raw[::2], raw[1::2], strict=True))
        with reading(f"the breakpoints of job {job_id}"):
            routines = sorted(int(field) for field in fields if field.isdigit())
            numbers = self._numbers(job_id, routines)
            return [
                _breakpoint(definition, routine, fields[b"d%d" % routine], numbers[routine])
                for routine in routines
            ]

    def _numbers(self, job_id: str, routines: Sequence[int]) -> dict[int, list[int]]:
        """Routine -> the numbers of what has stopped there first."""
        found: dict[int, list[int]] = {routine: [] for routine in routines}
        for first in range(0, LOOKED, _PAGE):
            some = self.stopped(job_id, _PAGE, first)
            for named, _ in some:
                if named.routine in found:
                    found[named.routine].append(named.number)
            if len(some) < _PAGE or all(len(one) >= _NAMED for one in found.values()):
                break
        return found


def _breakpoint(definition: Definition, routine: int, raw: bytes, stopped: list[int]) -> Breakpoint:
    at, _, packed = raw.partition(b" ")
    by, text = unpack_record(packed, "a breakpoint", 2)
    return Breakpoint(
        definition.routine(routine).id, typed(text, str), moment(at), typed(by, str),
        tuple(stopped[:_NAMED]),
    )  # fmt: skip
