"""Attempts whose time is over: their leases are taken, and what becomes of them is recorded."""

from __future__ import annotations

import contextlib
from typing import NamedTuple

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.common.lru_cache import Recent
from flowforge.errors import CorruptRecordError, FlowForgeError, NewerRecordError
from flowforge.execution.run import Outcome
from flowforge.execution.timed_out import timed_out, visible_record
from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.error_group import ErrorSample
from flowforge.model.jobs.status import COMMITTED, AttemptOutcome
from flowforge.store.definitions import stored_definition
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer

#: Definitions that are kept, the most recently used ones.
_DEFINITIONS = 64

#: How the tokens of callers begin, for ``overdue.lua``.
_CALLER = "over."

#: Milliseconds for which it is kept what was made of an attempt, for the process of its handler.
_TOLD_MS = 600_000


class Overdue(NamedTuple):
    """An attempt whose ``lease`` was taken with ``token``. ``worker``: empty if not known."""

    token: str
    job_id: str
    invocation: str
    definition: str
    record: bytes
    claims: int
    lost: int
    #: Milliseconds since its claim.
    ran_ms: int
    worker: str
    lease: str


class TimedOut(NamedTuple):
    """An attempt that was ended. ``place``: flow, routine and slot."""

    attempt: Overdue
    place: tuple[str, str, str]
    outcome: Outcome
    #: OK, or why another has decided.
    answer: Answer


class Ending(NamedTuple):
    """What was made of an attempt whose time was over. ``delay``: seconds until its retry."""

    kind: AttemptOutcome
    delay: float
    error: Exception


class OverdueAttempts:
    """Ends the attempts of one store that have run for too long."""

    def __init__(self, store: Store, lease: float) -> None:
        self._store = store
        self._lease_ms = int(lease * 1000)
        self._definitions: Recent[str, Definition] = Recent(_DEFINITIONS)

    def time_left(self, lease: str) -> float | None:
        """Seconds that the attempt of a lease still has, 0 or below when its time is over; None if
        it has not begun, has ended by itself, or has no timeout.
        """
        keys = self._store.keys
        at, told, (seconds, micros) = self._store.link.many(
            [
                ("ZSCORE", keys.of("attempt_ends"), lease),
                ("EXISTS", keys.of("time_over", lease)),
                ("TIME",),
            ]
        )
        if at is not None:
            return float(at) / 1000 - int(seconds) - int(micros) / 1e6
        return 0.0 if told else None

    def end(self, most: int, only: str = "") -> list[TimedOut]:
        """End attempts whose time is over, at most ``most``, or ``only`` that of a lease."""
        token = _CALLER + next_token()
        taken = self._store.upkeep.take_overdue(token, self._lease_ms, most, only)
        recorded = (self._record(Overdue(token, *one)) for one in taken)
        ended = [one for one in recorded if one is not None]
        for one in ended:
            if not only and one.answer is Answer.OK:
                self._tell(one)
        return ended

    def _tell(self, ended: TimedOut) -> None:
        """Keep what was made of an attempt, for the process that runs its handler."""
        outcome = ended.outcome
        told = pack_record(str(outcome.kind), outcome.delay, str(outcome.error))
        key = self._store.keys.of("time_over", ended.attempt.lease)
        # Without it Celery hears less; what became of the attempt is recorded.
        with contextlib.suppress(FlowForgeError):
            self._store.link.call("SET", key, told, "PX", _TOLD_MS)

    def ending_of(self, lease: str) -> Ending | None:
        """What another process has made of the attempt of a lease, if its time was over."""
        told = self._store.link.call("GET", self._store.keys.of("time_over", lease))
        if not told:
            # Nothing is told of an attempt whose job had ended.
            return None
        what = f"the end of attempt {lease}"
        kind, delay, message = unpack_record(told, what, 3)
        try:
            return Ending(AttemptOutcome(kind), float(delay), TimeoutError(message))
        except (TypeError, ValueError) as error:
            raise CorruptRecordError(f"{what} cannot be read: {error}") from error

    def _record(self, attempt: Overdue) -> TimedOut | None:
        try:
            return self._decide(attempt)
        except (CorruptRecordError, NewerRecordError) as error:
            self._refuse(attempt, error)
            return None

    def _refuse(self, attempt: Overdue, error: FlowForgeError) -> None:
        """Fail the job of what cannot be read: its attempt would be taken again and again."""
        kind, message = type(error).__name__, str(error)
        problem = pack_record({"type": kind, "message": message})
        details = pack_record(
            attempt.worker, attempt.claims - attempt.lost, 0, {}, None, [kind, message, ""]
        )
        self._store.invocations.fail(
            attempt.job_id, attempt.invocation, attempt.token, 0, details,
            f"{kind}: {message}"[:500], problem, ErrorSample.unplaced(kind, message),
        )  # fmt: skip

    def _decide(self, attempt: Overdue) -> TimedOut:
        definition = self._definition(attempt.definition)
        named = InvocationName.parse(attempt.invocation)
        outcome = timed_out(
            definition, named, attempt.claims - attempt.lost, attempt.record, attempt.ran_ms,
            attempt.worker,
        )  # fmt: skip
        place = (definition.flow_id, *definition.place_of(named))
        if outcome.kind in COMMITTED and definition.keep_inputs:
            self._keep_input(definition, named, attempt)
        return TimedOut(attempt, place, outcome, self._answer(attempt, outcome))

    def _answer(self, attempt: Overdue, outcome: Outcome) -> Answer:
        invocations = self._store.invocations
        lease = (attempt.job_id, attempt.invocation, attempt.token)
        if outcome.kind is AttemptOutcome.RETRIED:
            delay = int(outcome.delay * 1000)
            return invocations.retry_later(
                *lease, delay, outcome.micros, outcome.details, outcome.sample
            )
        if outcome.kind is AttemptOutcome.FAILED:
            return invocations.fail(
                *lease, outcome.micros, outcome.details, outcome.reason, outcome.problem,
                outcome.sample,
            )  # fmt: skip
        answer, _ = invocations.commit(
            *lease, outcome.kind, outcome.micros, outcome.details, outcome.effects, None,
            outcome.sample,
        )  # fmt: skip
        return answer

    def _keep_input(self, definition: Definition, named: InvocationName, attempt: Overdue) -> None:
        if definition.join(named.routine, named.slot) is None:
            record = visible_record(definition, named, attempt.record)
            self._store.forking.keep_input(attempt.job_id, attempt.invocation, record)

    def _definition(self, name: str) -> Definition:
        found = self._definitions.get(name)
        if found is None:
            read = stored_definition(self._store, name)
            if read is None:
                raise CorruptRecordError(f"definition {name} is not stored any more")
            found = self._definitions.add(name, read)
        return found
