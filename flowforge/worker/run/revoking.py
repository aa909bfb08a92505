"""Revoking an invocation by Celery's remote control: its job is cancelled.

Celery remembers revoked ids for hours, and an invocation keeps its id in all its attempts. So it
could not be run any more, not even by a retry of its job.
"""

from __future__ import annotations

import logging
from typing import Any

from flowforge.errors import StoreUnavailableError
from flowforge.logs import about
from flowforge.model.invocation_id import number_of, task_id
from flowforge.store.transitions.answers import Answer, AnswerOrStatus
from flowforge.worker.run.runtimes import Runtimes

logger = logging.getLogger(__name__)

#: Why a job is not cancelled, by the store's answer; any other is the status of an ended job.
_NOT_CANCELLED: dict[AnswerOrStatus, str] = {
    Answer.DONE: "the invocation has been committed",
    Answer.GONE: "it is gone",
    Answer.NEWER: "a later release has written it",
}


def cancel_revoked(runtimes: Runtimes, name: str, request: Any, *, terminated: bool) -> None:
    """Cancel the job of an invocation that Celery discards, or ends if ``terminated``.

    ``name``: of its task. A server that is away is asked again: the message comes back.
    """
    job_id, invocation, *_ = request.args
    how = f"revoked {'with terminate ' if terminated else ''}by Celery's remote control"
    reason = f"{how}: invocation {number_of(invocation)}, {name}"
    named = f"invocation {task_id(job_id, invocation)} ({name})"
    extra = about(job_id, invocation)
    try:
        answer = runtimes.of(job_id).revoke(job_id, invocation, reason, running=terminated)
    except StoreUnavailableError as error:
        logger.error("could not cancel the job of %s, %s: %s", named, how, error, extra=extra)
        return
    if answer is Answer.OK:
        logger.warning("the job of %s is cancelled: %s", named, how, extra=extra)
    else:
        why = _NOT_CANCELLED.get(answer, f"it is {answer}")
        text = "the job of %s is not cancelled, although %s: %s"
        logger.info(text, named, how, why, extra=extra)
