"""Killing a worker on purpose, to see that its work goes on."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from typing import NamedTuple

from flowforge.dev.worker import DevWorker
from flowforge.engine.engine import Engine, Submitter
from flowforge.errors import FlowForgeError
from flowforge.store.fleet_reads.leases import Leases, RunningAttempt
from flowforge.store.lease_tokens import mark_of

#: Attempts that one look finds, and that are named.
_MOST, _NAMED = 200, 3


class Running(NamedTuple):
    """An attempt: ``place`` is its routine and slot, empty when its definition cannot be read."""

    job_id: str
    invocation: int
    place: str


class Victim(NamedTuple):
    """A worker to kill, and what it runs."""

    worker: DevWorker
    attempts: list[Running]

    def told(self, lease: float) -> str:
        """What is about to happen to its work. ``lease``: seconds."""
        begins = (
            f"worker {self.worker.name} (process {self.worker.pid}) is killed with SIGKILL, as if "
            "its machine had failed"
        )
        if not self.attempts:
            return f"{begins}; it ran nothing, so no work is affected"
        named = ", ".join(
            f"{one.place} (invocation {one.invocation} of job {one.job_id})"
            for one in self.attempts[:_NAMED]
        )
        more = len(self.attempts) - _NAMED
        return (
            f"{begins}\nit ran {named}{f' and {more} more' if more > 0 else ''}\n"
            f"nothing of that is lost: the lease ends within {lease:g} s, the upkeep notices it, "
            "and another worker runs it again"
        )


def choose_victim(engine: Submitter, workers: Sequence[DevWorker]) -> Victim:
    """Of the workers, which must be some, that with the most attempts."""
    # The marks in leases: a worker that is just ready has not reported its name yet.
    host = socket.gethostname()
    by_mark = {mark_of(f"{worker.name}@{host}"): worker.name for worker in workers}
    attempts: dict[str, list[Running]] = {worker.name: [] for worker in workers}
    for one in engine.each:
        # A server that does not answer names no attempt, and a worker is killed all the same.
        with contextlib.suppress(FlowForgeError):
            for found in Leases(one.store).some(_MOST):
                if found.owner.mark in by_mark:
                    number = found.invocation.number
                    running = Running(found.job_id, number, _place(one, found))
                    attempts[by_mark[found.owner.mark]].append(running)
    worker = max(workers, key=lambda each: len(attempts[each.name]))
    return Victim(worker, attempts[worker.name])


def _place(engine: Engine, found: RunningAttempt) -> str:
    try:
        return ".".join(engine.inspector.definition(found.job_id).place_of(found.invocation))
    except FlowForgeError:
        return ""
