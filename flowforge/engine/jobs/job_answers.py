"""Answers from outside: what a job expects, and delivering it."""

from __future__ import annotations

from typing import Any

from flowforge.engine.jobs.job_mending import JobMending
from flowforge.model.answers.expectation import Expectation


class JobAnswers(JobMending):
    """A job that can expect answers."""

    @property
    def expectations(self) -> list[Expectation]:
        """The answers that the job expects now, in the order in which it began to, up to 1,000.

        Of more than 4,000 these are not the first ones.

        Each has ``invocation``, ``routine_id``, ``slot``, ``key``, ``since``, ``until``,
        ``otherwise``, ``remind``, ``assign``, ``form`` (a JSON schema) and ``any_of``.
        """
        return self._engine.expectations.of_job(self.job_id)

    def deliver(
        self,
        routine_id: str,
        slot: str,
        params: dict[str, Any] | None = None,
        *,
        by: str | None = None,
        delivery_id: str | None = None,
        key: str | int = "",
    ) -> int | None:
        """Answer what ``self.expect`` expects; return the number of the invocation that gets it.

        None: nothing expects it yet, and it is kept until something does; up to 100 are kept of a
        slot, one for each ``key``. ``by``: as for ``pause``. ``delivery_id``: the answer with this
        id is delivered once in the life of the job, however often it is sent. While the job is
        paused the answer is parked, and one of a failed job is kept for its retry.

        Raises AnsweredError, with ``by`` and ``at``, when another answer was first or the time was
        over; JobStateError when the job is completed or cancelled, and when the slot keeps as many
        early answers as it may; ValueError for an unknown routine or slot, and for params that do
        not fit the form; PayloadError for values that cannot travel.
        """
        return self._engine.expectations.deliver(
            self.job_id, routine_id, slot, params, by, delivery_id, key
        )
