"""Running one delivery: bind the arguments, call the handler, decide what a failure means."""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from time import perf_counter

from flowforge.codec.binary import pack_record
from flowforge.common.forks import end_stray
from flowforge.errors import EmissionError
from flowforge.execution.current import current
from flowforge.execution.delivery import Delivery
from flowforge.execution.effects import Effects
from flowforge.execution.ending import ends_worker
from flowforge.execution.failure import Problem

#: Records of params up to this many bytes are kept in the history.
HISTORY_PARAMS = 512


logger = logging.getLogger(__name__)

#: Handlers whose results have been warned of in this process.
_told: set[tuple[str, str]] = set()


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended and what has to be recorded."""

    #: completed, error_continued, skipped (to commit); retry, stop (to fail).
    kind: str
    micros: int
    details: bytes
    effects: Effects
    delay: float = 0.0
    reason: str = ""
    problem: bytes = b""
    #: What the attempt raised, without secrets.
    error: BaseException | None = None


def run(delivery: Delivery, worker: str) -> Outcome:
    """Call the handler once. Whatever it raises becomes part of the outcome."""
    began = perf_counter()
    token = current.set(delivery)
    slot = delivery.slot
    ready = False
    try:
        waited = delivery.routine.set_up()
        ready = True
        args, kwargs = slot.signature.arguments(delivery.params, delivery.origin)
        routine = delivery.routine.prototype.bind(delivery)
        delivery.confirm(waited)
        result = getattr(routine, slot.call)(*args, **kwargs)
        end_stray(delivery.began)
        if result is not None:
            _look_at_result(delivery, result)
        delivery.finish()
    except BaseException as error:
        end_stray(delivery.began, error)
        # A record that only a later release can read is another worker's to handle.
        if error is delivery.given_back or ends_worker(error):
            raise
        return failed(delivery, worker, error, began, in_setup=not ready)
    finally:
        delivery.closed = True
        current.reset(token)
    micros = _micros(began)
    return Outcome("completed", micros, _details(delivery, worker, micros, None), delivery.effects)


def failed(
    delivery: Delivery, worker: str, error: BaseException, began: float, *, in_setup: bool = False
) -> Outcome:
    """The outcome of an attempt that raised ``error``, by the error handler that applies.

    ``in_setup``: the routine's ``setup()`` raised it, and no handler.

    Never fails, whatever the exception's own code does: a failure that is not recorded is a lost
    worker to everybody else.
    """
    micros = _micros(began)
    problem = Problem(error, delivery)
    decision = delivery.routine.error_handler.decide(error, delivery.attempt)
    details = _details(delivery, worker, micros, problem)
    kinds = {"continue": "error_continued", "skip": "skipped", "retry": "retry", "stop": "stop"}
    action = decision.action
    if in_setup and action in ("continue", "skip"):
        # To pass over one delivery is to pass over all: nothing of the routine can run.
        action = "stop"
    where = f"{delivery.routine.id}.{'setup()' if in_setup else delivery.slot.name}"
    reason = f"{where}: {problem.type}: {problem.message}"
    return Outcome(
        kinds[action],
        micros,
        details,
        Effects(),
        delay=decision.delay,
        reason=reason[:500],
        problem=problem.record(delivery),
        error=problem.shown(),
    )


def _look_at_result(delivery: Delivery, result: object) -> None:
    """A result goes nowhere, which may not be what was meant; EmissionError if nothing has run."""
    what = (
        f"{delivery.routine.id}.{delivery.slot.name} returned {type(result).__qualname__}: a "
        "handler's result is what it emits; call self.emit(event, ...) and return nothing"
    )
    if inspect.iscoroutine(result):
        result.close()
    if inspect.isawaitable(result) or inspect.isgenerator(result):
        raise EmissionError(what)
    slot = (delivery.routine.class_name, delivery.slot.call)
    if slot not in _told:
        _told.add(slot)
        logger.warning("%s", what)


def _micros(began: float) -> int:
    return int((perf_counter() - began) * 1_000_000)


def _details(delivery: Delivery, worker: str, micros: int, problem: Problem | None) -> bytes:
    params = delivery.visible_record() if len(delivery.raw) <= HISTORY_PARAMS else None
    error = None if problem is None else [problem.type, problem.message, problem.traceback]
    emitted = delivery.emitted if problem is None else {}
    return pack_record(worker, delivery.attempt, micros, emitted, params, error)
