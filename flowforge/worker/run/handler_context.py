"""The answers to what a handler may ask: from the store, and by the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flowforge.errors import LeaseLostError, StoreUnavailableError
from flowforge.execution.attempt import Attempt
from flowforge.execution.effects import Emitted
from flowforge.execution.handler_context import JobAccess
from flowforge.model.plan import PlannedSlot
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer
from flowforge.worker.run import log_lines
from flowforge.worker.run.merging import MergedSlots

#: Why an attempt that emitted much does not count.
INCOMPLETE = "the server no longer has all that this attempt had staged of its emissions"


class WorkerHandlerContext:
    """Answers the handlers of one store. ``jobs``: what they get of the engine."""

    def __init__(self, store: Store, jobs: JobAccess, merged: MergedSlots) -> None:
        self._store = store
        self._merged = merged
        self.job = jobs.job
        self.child_job = jobs.child_job
        self.child_outputs = jobs.child_outputs
        self.answer_url = jobs.answer_url
        inspector = Inspector(store)
        self.emissions_of = inspector.emissions_of
        self.checkpoint = inspector.checkpoint
        self.scheduled_at = inspector.scheduled_at

    def runs(self, job_id: str) -> bool:
        """Whether handlers of the job may start now."""
        return self._store.invocations.may_start(job_id)

    def stage(self, attempt: Attempt, emitted: Sequence[Emitted], already: int) -> None:
        """Keep part of a large emission in the store until the commit."""
        self._stage(attempt, self._store.invocations.stage, emitted, already)

    def stage_outputs(self, attempt: Attempt, outputs: Sequence[bytes], already: int) -> None:
        """The same for outputs, which nothing has to wait for once they are committed."""
        self._stage(attempt, self._store.invocations.stage_outputs, outputs, already)

    def _stage(
        self, attempt: Attempt, keep: Callable[..., Answer], part: Sequence[Any], already: int
    ) -> None:
        try:
            answer = keep(attempt.job_id, attempt.invocation, attempt.token, part, already)
        except StoreUnavailableError as error:
            # That is no error of the handler, so it is not for its error handler to decide.
            log_lines.not_staged(attempt, error)
            attempt.cancelled = True
            raise
        if answer is Answer.OK:
            return
        # The attempt is given back: whatever it emits further would be emitted without this part.
        attempt.cancelled = True
        where = f"{attempt.routine.id}.{attempt.slot.name}"
        if answer is Answer.INCOMPLETE:
            raise LeaseLostError(f"{where}: {INCOMPLETE}, so the handler has to run again")
        raise LeaseLostError(
            f"{where}: the lease of this attempt was lost or its job has ended, so nothing that it "
            "emits can count"
        )

    def extend(self, attempt: Attempt, ms: int) -> None:
        """Give it more time from now on."""
        extend = self._store.invocations.extend
        if extend(attempt.job_id, attempt.invocation, attempt.token, ms) is Answer.OK:
            return
        # Another attempt may have begun: this one is given back, and is not accepted.
        attempt.cancelled = True
        raise LeaseLostError(
            f"{attempt.routine.id}.{attempt.slot.name}: its time was over before it was extended, "
            "or its job has ended, so nothing that this attempt does can count"
        )

    def slot_data(self, attempt: Attempt, slot: PlannedSlot) -> dict[str, Any]:
        """What a slot holds now: merged, or the latest payload."""
        if slot is attempt.slot and not slot.merges:
            return dict(attempt.params)
        return self._merged.now(attempt, slot)
