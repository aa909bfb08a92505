"""Running one attempt: bind the arguments, call the handler, decide what a failure means."""

from __future__ import annotations

import inspect
import logging
from time import perf_counter
from typing import NamedTuple

from flowforge.codec.binary import pack_record
from flowforge.common.forks import end_forked_child
from flowforge.errors import EmissionError, Limited
from flowforge.execution.attempt import Attempt
from flowforge.execution.current import current
from flowforge.execution.effects import Effects
from flowforge.execution.ending import ends_worker
from flowforge.execution.failure import Problem
from flowforge.execution.prints import end_lines, unfinished
from flowforge.model.error_handler import ErrorStrategy
from flowforge.model.jobs.error_group import Sample
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.model.routine import bound_to

#: Records of params up to this many bytes are kept in the history.
HISTORY_PARAMS = 512


logger = logging.getLogger(__name__)

#: What becomes of a failed attempt, by what the error handler decides.
KINDS = {
    ErrorStrategy.STOP: AttemptOutcome.FAILED,
    ErrorStrategy.RETRY: AttemptOutcome.RETRIED,
    ErrorStrategy.CONTINUE: AttemptOutcome.ERROR_CONTINUED,
    ErrorStrategy.SKIP: AttemptOutcome.SKIPPED,
}

#: Handlers whose results have been warned of in this process.
_told: set[tuple[str, str]] = set()


class Outcome(NamedTuple):
    """How an attempt ended and what has to be recorded."""

    #: COMPLETED, ERROR_CONTINUED and SKIPPED are committed. RETRIED and FAILED are not.
    kind: AttemptOutcome
    micros: int
    details: bytes
    effects: Effects
    delay: float = 0.0
    reason: str = ""
    problem: bytes = b""
    #: What the attempt raised, without secrets.
    error: BaseException | None = None
    #: What its group of errors counts; empty when nothing was raised.
    sample: Sample = ()


def run(attempt: Attempt, worker: str) -> Outcome:
    """Call the handler once. Whatever it raises becomes part of the outcome."""
    began = perf_counter()
    token = current.set(attempt)
    slot = attempt.slot
    ready = False
    try:
        waited = attempt.routine.set_up()
        ready = True
        args, kwargs = slot.signature.arguments(attempt.params, attempt.origin)
        routine = bound_to(attempt.routine.prototype, attempt)
        attempt.confirm(waited)
        result = getattr(routine, slot.call)(*args, **kwargs)
        end_forked_child(attempt.forks_before)
        if result is not None:
            _look_at_result(attempt, result)
        if unfinished:
            end_lines(attempt)
        attempt.finish()
    except BaseException as error:
        end_forked_child(attempt.forks_before, error)
        # A record that only a later release can read is another worker's to handle.
        if error is attempt.given_back or ends_worker(error):
            raise
        if issubclass(type(error), Limited):
            return _told_to_wait(attempt, worker, error, began)
        return failed(attempt, worker, error, began, in_setup=not ready)
    finally:
        if unfinished:
            end_lines(attempt)
        attempt.closed = True
        current.reset(token)
    micros = _micros(began)
    return Outcome(
        AttemptOutcome.COMPLETED, micros, _details(attempt, worker, micros, None), attempt.effects
    )


def failed(
    attempt: Attempt, worker: str, error: BaseException, began: float, *, in_setup: bool = False
) -> Outcome:
    """The outcome of an attempt that raised ``error``, by the error handler that applies.

    ``in_setup``: the routine's ``setup()`` raised it, and no handler.

    Never fails, whatever the exception's own code does: a failure that is not recorded is a lost
    worker to everybody else.
    """
    micros = _micros(began)
    problem = Problem(error, attempt)
    decision = attempt.routine.error_handler.decide(error, attempt.attempt_number)
    details = _details(attempt, worker, micros, problem)
    kind = KINDS[decision.action]
    if in_setup and kind is not AttemptOutcome.RETRIED:
        # To pass over one delivery is to pass over all: nothing of the routine can run.
        kind = AttemptOutcome.FAILED
    where = f"{attempt.routine.id}.{'setup()' if in_setup else attempt.slot.name}"
    reason = f"{where}: {problem.type}: {problem.message}"
    return Outcome(
        kind,
        micros,
        details,
        Effects(),
        delay=decision.delay,
        reason=reason[:500],
        problem=problem.record(attempt),
        error=problem.shown(),
        sample=problem.sample(attempt),
    )


def _told_to_wait(attempt: Attempt, worker: str, error: BaseException, began: float) -> Outcome:
    """The outcome of an attempt that is to be made again later, and does not count."""
    told = vars(error)
    delay, limit = told.get("retry_after", 0.0), told.get("limit") or ""
    micros = _micros(began)
    details = _details(attempt, worker, micros, None)
    return Outcome(AttemptOutcome.RELEASED, micros, details, Effects(), delay, limit)


def _look_at_result(attempt: Attempt, result: object) -> None:
    """A result goes nowhere, which may not be what was meant; EmissionError if nothing has run."""
    what = (
        f"{attempt.routine.id}.{attempt.slot.name} returned {type(result).__qualname__}: a "
        "handler's result is what it emits; call self.emit(event, ...) and return nothing"
    )
    if inspect.iscoroutine(result):
        result.close()
    if inspect.isawaitable(result) or inspect.isgenerator(result):
        raise EmissionError(what)
    slot = (attempt.routine.class_name, attempt.slot.call)
    if slot not in _told:
        _told.add(slot)
        logger.warning("%s", what)


def _micros(began: float) -> int:
    return int((perf_counter() - began) * 1_000_000)


def _details(attempt: Attempt, worker: str, micros: int, problem: Problem | None) -> bytes:
    params = attempt.visible_record() if len(attempt.raw) <= HISTORY_PARAMS else None
    error = None
    if problem is not None:
        error = [problem.type, problem.message, problem.traceback, problem.at]
    emitted = attempt.emitted if problem is None else {}
    return pack_record(worker, attempt.attempt_number, micros, emitted, params, error)
