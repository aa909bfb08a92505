"""Running invocations with spans, where the process makes them."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter, time_ns

from flowforge.execution.attempt import Attempt
from flowforge.execution.run import Outcome, failed
from flowforge.model.plan import Plan
from flowforge.store.transitions.claims import Granted
from flowforge.tracing.attempts import TracedAttempt
from flowforge.tracing.spans import SPANS, guarded
from flowforge.worker.run.recording import Ended
from flowforge.worker.run.reports import Uncounted
from flowforge.worker.run.runtime import Runtime

#: Items of a join whose spans are linked to that of its handler, apart from the last one.
LINKED = 127


class TracedRuntime(Runtime):
    """A runtime whose attempts have spans: they begin before the handler, a merge and ``setup()``,
    and end when the outcome is recorded, with the time at which the handler ended.
    """

    _carrying = TracedAttempt
    _plain = TracedAttempt

    def __init__(self, plain: Runtime) -> None:
        # Nothing of its own: the leases and the plans are those of the process.
        vars(self).update(vars(plain))

    def prepare(self, granted: Granted, plan: Plan) -> Attempt:
        attempt = super().prepare(granted, plan)
        assert isinstance(attempt, TracedAttempt)
        attempt.lost = granted.claim.lost
        attempt.queue = plan.definition.routine(attempt.routine.index).queue
        return attempt

    def complete(self, attempt: Attempt, lists: Sequence[str]) -> Ended:
        assert isinstance(attempt, TracedAttempt)
        self._begin(attempt)
        ended: Ended = Uncounted()
        try:
            ended = super().complete(attempt, lists)
        finally:
            attempt.end(counted=not isinstance(ended, Uncounted))
        return ended

    def run_handler(self, attempt: Attempt) -> Outcome:
        assert isinstance(attempt, TracedAttempt)
        with attempt.current():
            attempt.outcome = super().run_handler(attempt)
        return attempt.outcome

    def timed_out(self, attempt: Attempt, error: BaseException, limit: float) -> Ended:
        assert isinstance(attempt, TracedAttempt)
        self._begin(attempt, time_ns() - int(limit * 1e9))
        ended: Ended = Uncounted()
        attempt.outcome = failed(attempt, self.worker, error, perf_counter() - limit)
        try:
            ended = self.recorder.record(attempt, attempt.outcome, None)
        finally:
            attempt.end(counted=not isinstance(ended, Uncounted))
        return ended

    def _begin(self, attempt: TracedAttempt, start_time: int | None = None) -> None:
        links: list[bytes] = []
        if attempt.joins:
            links = guarded(lambda: self.collections.traces(attempt, LINKED), links)
            # It waited for the last one.
            attempt.carried = links[-1] if links else b""
        attempt.begin(SPANS, list(dict.fromkeys(links)), start_time)
