"""What a worker's log says of invocations. Each line names one by the id of its Celery task."""

from __future__ import annotations

import logging
from typing import Any

from flowforge.errors import FlowForgeError
from flowforge.execution.attempt import Attempt
from flowforge.logs import about
from flowforge.model.invocation_id import task_id
from flowforge.store.transitions.answers import Answer
from flowforge.worker.run.reports import harmless

logger = logging.getLogger(__name__)

_ENDED = {
    Answer.DROPPED: "its job has ended",
    Answer.GONE: "its job is gone",
    Answer.NEWER: "a later release has written its job",
}

#: Why the store gives an invocation to no attempt.
NOT_CLAIMED = {
    **_ENDED,
    Answer.TAKEN: "another process has it, or it has been committed",
    Answer.STOPPED: "it has stopped at a breakpoint",
    Answer.LIMITED: "a limit is full",
    Answer.PAUSED: "its job is paused or has failed, so it is parked",
}

#: Why the store accepts no end of an attempt.
NOT_ACCEPTED = {
    **_ENDED,
    Answer.DONE: "it has been committed before, by this attempt or by another",
    Answer.EXPECTED: "it expects an answer that its job expects already, so the job fails",
    Answer.STALE: "the lease of this attempt was lost, so another one decides",
}


def not_claimed(job_id: str, invocation: str, answer: Answer) -> None:
    why = NOT_CLAIMED[answer]
    extra = about(job_id, invocation)
    logger.debug("invocation %s is not run: %s", task_id(job_id, invocation), why, extra=extra)


def not_accepted(attempt: Attempt, outcome: str, answer: Answer) -> None:
    """The attempt has ended with ``outcome``, and nothing of it counts."""
    why = NOT_ACCEPTED[answer]
    logger.info(
        "invocation %s, %s, is not accepted: %s", _attempt_label(attempt), outcome, why,
        extra=_about(attempt),
    )  # fmt: skip


def end_not_known(lease: str, error: FlowForgeError) -> None:
    """Celery is not told what the upkeep has made of an attempt whose time was over."""
    job_id, invocation, _ = lease.split("/")
    logger.warning(
        "invocation %s: cannot ask how the upkeep has ended this attempt: %s",
        task_id(job_id, invocation), error, extra=about(job_id, invocation),
    )  # fmt: skip


def not_given_back(attempt: Attempt, answer: Answer) -> None:
    why = NOT_ACCEPTED[answer]
    extra = _about(attempt)
    logger.info(
        "invocation %s need not be given back: %s", _attempt_label(attempt), why, extra=extra
    )


def given_back(job_id: str, invocation: str, place: str, why: object) -> None:
    """Another worker, or this one later, is to run it. ``place``: its routine and slot."""
    logger.error(
        "invocation %s (%s) is given back: %s", task_id(job_id, invocation), place, why,
        extra=about(job_id, invocation),
    )  # fmt: skip


def rests(attempt: Attempt, seconds: float, limit: str) -> None:
    logger.info(
        "invocation %s was told to come again in %g s: %s", _attempt_label(attempt), seconds,
        f"the limit {limit!r} rests" if limit else "its limits rest", extra=_about(attempt),
    )  # fmt: skip


def not_staged(attempt: Attempt, error: Exception) -> None:
    """The attempt is given back, since a part of its emissions did not reach the store."""
    logger.warning(
        "invocation %s is given back, since a part of what it emits could not be staged: %s",
        _attempt_label(attempt), error, extra=_about(attempt),
    )  # fmt: skip


def put_off(attempt: Attempt, seconds: float) -> None:
    """It has cost workers and is to run alone, and so does another one now."""
    logger.info(
        "invocation %s is put off for %g s: it has to run alone in its process, and another one "
        "does so now", _attempt_label(attempt), seconds, extra=_about(attempt),
    )  # fmt: skip


def passed_over(attempt: Attempt, kind: str, error: BaseException) -> None:
    """The job goes on after an error, by CONTINUE or SKIP."""
    logger.warning(
        "the job goes on (%s) after an error of %s.%s, invocation %s, attempt %d",
        kind, attempt.routine.id, attempt.slot.name, task_id(attempt.job_id, attempt.invocation),
        attempt.attempt_number,
        exc_info=harmless(error), extra=_about(attempt),
    )  # fmt: skip


def input_not_kept(attempt: Attempt, error: Exception) -> None:
    """The params of an invocation that is about to end: a fork cannot have them."""
    logger.warning(
        "the params of invocation %s are not kept: %s", _attempt_label(attempt), error,
        extra=_about(attempt),
    )  # fmt: skip


def place_of(attempt: Attempt) -> str:
    """``routine.slot``."""
    return f"{attempt.routine.id}.{attempt.slot.name}"


def _attempt_label(attempt: Attempt) -> str:
    return f"{task_id(attempt.job_id, attempt.invocation)} ({place_of(attempt)})"


def _about(attempt: Attempt) -> dict[str, Any]:
    return about(attempt.job_id, attempt.invocation)
