"""What the leader's log says of invocations that it has recovered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from flowforge.logs import about
from flowforge.model.invocation_id import task_id
from flowforge.store.fleet_reads.overdue import TimedOut
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.upkeep import Lost, Pushed

logger = logging.getLogger(__name__)

#: Definition hash and invocation -> its routine and slot, as ``routine.slot``.
PlaceOf: TypeAlias = Callable[[str, str], str]

#: Invocations that one round names; a host that dies may have had hundreds.
MOST_NAMED = 20


def unplaced(definition: str, invocation: str) -> str:
    """The invocation itself, where no definition is at hand."""
    return invocation


def reclaimed(lost: Sequence[Lost], max_losses: int, place_of: PlaceOf) -> None:
    """Their leases expired; with ``max_losses`` losses an invocation is quarantined."""
    for one in lost[:MOST_NAMED]:
        logger.warning(
            "reclaimed %s from %s, which was lost or cut off: %s",
            _invocation_label(one, place_of),
            f"worker {one.worker}" if one.worker else "a worker that reports no more",
            f"queued again, loss {one.times} of {max_losses}"
            if one.times < max_losses
            else f"quarantined after {one.times} losses",
            extra=about(one.job_id, one.invocation),
        )
    if len(lost) > MOST_NAMED:
        logger.warning("reclaimed %d more invocations from lost workers", len(lost) - MOST_NAMED)


def timed_out(ended: Sequence[TimedOut]) -> None:
    """Their time was over, and their handlers may still run."""
    for one in ended[:MOST_NAMED]:
        attempt = one.attempt
        logger.warning(
            "ended an attempt at invocation %s (%s) %s: %s; %s",
            task_id(attempt.job_id, attempt.invocation),
            ".".join(one.place[1:]),
            f"on worker {attempt.worker}" if attempt.worker else "on a worker that reports no more",
            one.outcome.error,
            one.outcome.kind if one.answer is Answer.OK else f"which did not count: {one.answer}",
            extra=about(attempt.job_id, attempt.invocation),
        )
    if len(ended) > MOST_NAMED:
        logger.warning("ended %d more attempts whose time was over", len(ended) - MOST_NAMED)


def pushed_again(pushed: Sequence[Pushed], broker_list: str, place_of: PlaceOf) -> None:
    """A worker took their messages from the list and claimed nothing; it is not known which."""
    for one in pushed[:MOST_NAMED]:
        logger.warning(
            "pushed %s again to %s: a worker took its message and did not claim it",
            _invocation_label(one, place_of),
            broker_list,
            extra=about(one.job_id, one.invocation),
        )
    if len(pushed) > MOST_NAMED:
        more = len(pushed) - MOST_NAMED
        logger.warning("pushed %d more unclaimed invocations again to %s", more, broker_list)


def _invocation_label(one: Lost | Pushed, place_of: PlaceOf) -> str:
    place = place_of(one.definition, one.invocation)
    return f"invocation {task_id(one.job_id, one.invocation)} ({place})"
