"""The logs of merging slots: what a delivery is shown of them, and what is forgotten."""

from __future__ import annotations

from tests.contract.reference.ending import Ending
from tests.contract.reference.jobs import ENDED, Job
from tests.contract.reference.places import merging


class Merging(Ending):
    """Shows every attempt at a delivery the same part of the log."""

    def view(self, job: Job, invocation: str, token: str) -> tuple[int, list[bytes]]:
        """What a delivery to a merging slot is shown before itself: always the same."""
        lease = self.leases.get((job.id, invocation))
        if lease is None or lease.token != token or job.status in ENDED:
            return 0, []
        _, slot, position = merging(invocation)
        base = min(job.base[slot], position - 1)
        view = base + 1, job.log[slot][base : position - 1]
        if base < job.base[slot]:
            # Consumed: it is shown itself alone, whatever comes.
            return job.shown.get(invocation, view)
        return job.shown.setdefault(invocation, view)

    def consume(self, job: Job, slot: str, position: int) -> None:
        if position > job.base[slot]:
            job.base[slot] = position
            job.epochs[slot].append(position)
            self._trim(job, slot)

    def let_epoch_go(self, job: Job, invocation: str) -> None:
        if job.shown.pop(invocation, None):
            self._trim(job, merging(invocation)[1])

    def _trim(self, job: Job, slot: str) -> None:
        """Forget what nobody can be shown any more."""
        kept = {
            first - 1
            for invocation, (first, _) in job.shown.items()
            if merging(invocation)[1] == slot
        }
        epochs = job.epochs[slot]
        while len(epochs) > 1 and epochs[0] not in kept:
            epochs.pop(0)
