"""Breakpoints of a job, and letting go what has stopped there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.engine.jobs.job_answers import JobAnswers
from flowforge.model.jobs.breakpoint import Breakpoint


class JobDebugging(JobAnswers):
    """A job that can be stopped before a handler starts."""

    @property
    def breakpoints(self) -> list[Breakpoint]:
        """The breakpoints that are set, in the order of the flow's routines.

        Each has ``routine_id``, ``condition`` (empty for all; values of secret params are ``***``),
        ``at``, ``by`` and ``stopped``: up to 100 numbers of invocations that have stopped there.
        """
        return self._engine.breakpoints.of_job(self.job_id)

    def break_at(
        self, routine_id: str, when: Mapping[str, Any] | None = None, *, by: str | None = None
    ) -> None:
        """Let invocations of a routine stop before their handlers start, from now on.

        ``when``: only those whose params fulfil it, such as ``{"amount": (">", 100)}``; of several
        params all, and of one param all of a list of comparisons. Comparisons are ``==``, ``!=``,
        ``<``, ``<=``, ``>``, ``>=``, ``in``, ``contains`` and ``exists``. A param that is missing,
        or cannot be compared, does not fulfil it. A routine has one breakpoint: this one takes the
        place of an earlier one. ``by``: as for ``pause``.

        What has stopped can be edited and skipped, and runs after ``step`` or ``continue_``. A
        handler that runs already is not stopped, and no invocation that takes the end of a child
        job.

        ValueError for an unknown routine and a wrong ``when``; JobStateError for a job that is
        completed or cancelled.
        """
        self._engine.breakpoints.set(self.job_id, routine_id, when, by)

    def clear_break(self, routine_id: str | None = None, *, by: str | None = None) -> None:
        """Clear the breakpoint of a routine, or all, and let go what has stopped there.

        JobStateError when there is none; ValueError for an unknown routine.
        """
        self._engine.breakpoints.clear(self.job_id, routine_id, by)

    def step(self, invocation: int | None = None, *, by: str | None = None) -> None:
        """Let one invocation go that has stopped at a breakpoint; None: the one that stopped first.

        It does not stop again, also not with a later attempt; what it emits does where there is a
        breakpoint. JobStateError when it has not stopped.
        """
        self._engine.breakpoints.step(self.job_id, invocation, by)

    def continue_(self, routine_id: str | None = None, *, by: str | None = None) -> None:
        """Let all invocations go that have stopped by now, of a routine or of all.

        The breakpoints stay, so later invocations stop. JobStateError when nothing has stopped.
        """
        self._engine.breakpoints.go_on(self.job_id, routine_id, by)
