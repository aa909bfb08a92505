"""Revoking an invocation by Celery's remote control: its job is cancelled.

Celery remembers revoked ids for hours, and an invocation keeps its id in all its attempts. So it
could not be run any more, not even by a retry of its job.
"""

from __future__ import annotations

import logging
from typing import Any

from flowforge.errors import StoreUnavailableError
from flowforge.model.invocation_id import number_of
from flowforge.store.answers import Answer
from flowforge.worker.run.runtimes import Runtimes

logger = logging.getLogger(__name__)


def cancel_revoked(runtimes: Runtimes, name: str, request: Any, *, terminated: bool) -> None:
    """Cancel the job of an invocation that Celery discards, or ends if ``terminated``.

    ``name``: of its task. A server that is away is asked again: the message comes back.
    """
    job_id, invocation, *_ = request.args
    how = "revoked with terminate" if terminated else "revoked"
    reason = f"{how} by Celery's remote control: invocation {number_of(invocation)}, {name}"
    try:
        answer = runtimes.of(job_id).revoke(job_id, invocation, reason, running=terminated)
    except StoreUnavailableError as error:
        logger.error("could not cancel job %s, %s: %s", job_id, reason, error)
        return
    if answer is Answer.OK:
        logger.warning("job %s is cancelled: %s", job_id, reason)
    else:
        logger.info("job %s stays as it is (%s), %s", job_id, answer, reason)
