"""One fleet under fault: its workers, its jobs, its ledger, and the last fault's time."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.settings import Settings
from flowforge.store.job_reads.job_rows import JobRows
from tests.chaos.harness import flows, ledger, tuning
from tests.chaos.harness.checker import check_rest, check_tree
from tests.chaos.harness.flows import Shape
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker

#: I4: seconds beyond the lease within which every job has ended after the last fault.
END_LIMIT = 30.0

#: How a worker's log tells that it was given a message, which names the job.
_RECEIVED = re.compile(rb"\[([\w-]+)-\d+\] received$", re.MULTILINE)

#: Seconds that the harness itself waits for a server that is away.
_PATIENCE = 60.0

#: History and outputs are evidence here: nothing of them may be dropped.
_EVERYTHING = 1_000_000_000


class Site:
    """Workers and jobs of one prefix on one server.

    ``jobs`` maps the id of every job submitted here to its shape; :meth:`verify` checks them all.
    """

    def __init__(
        self,
        url: str,
        prefix: str,
        directory: Path,
        violations: list[str],
        *,
        worker_url: str | None = None,
        beside: Site | None = None,
        end_limit: float = END_LIMIT,
        imports: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> None:
        self.directory = directory
        self.ledger = directory / "ledger"
        self.violations = violations
        self.jobs: dict[str, Shape] = {}
        self._end_limit = end_limit
        self.settings = Settings(
            redis_url=url, prefix=prefix, history_limit=_EVERYTHING, output_limit=_EVERYTHING,
            **settings,
        )  # fmt: skip
        self.engine = Engine(self.settings, fleet_app(self.settings))
        modules = (tuning.MODULE, flows.MODULE, *imports)
        # The harness looks on while the server is away.
        link: Any = self.engine.store.link
        link._patience = _PATIENCE
        self.fleet = Fleet(worker_url or url, prefix, directory, modules, **settings)
        self._env = {ledger.VARIABLE: str(self.ledger), **tuning.environment(settings)}
        self._env.update(env or {})
        if beside is not None:
            self.fleet, self.ledger = beside.fleet, beside.ledger
        self._last_fault = time.monotonic()
        self._under_way: list[str] = []

    def start(self, *, env: Mapping[str, str] | None = None, **options: Any) -> Worker:
        """Start one worker; options as ``Fleet.start`` takes them."""
        return self.fleet.start(env={**self._env, **(env or {})}, **options)

    def start_pools(self, *pools: str, concurrency: int = 2) -> None:
        """Start a worker for each of these pools, and return when all are ready."""
        for pool in pools:
            self.start(pool=pool, concurrency=concurrency, wait=False)
        self.fleet.wait_until_ready()

    def expect_alive(self) -> None:
        """Report workers that have ended although nobody meant to end them."""
        ended = [worker.name for worker in self.fleet.workers if not worker.alive]
        if ended:
            self.violations.append(f"workers ended: {', '.join(ended)}")

    def submit(self, shape: Shape) -> str:
        """Submit one job; returns the job's id."""
        job_id = self.engine.submit(JobTemplate(shape.flow, shape.entry), shape.params)
        self.jobs[job_id] = shape
        return job_id

    def feed(self, live: int, shape: Shape) -> None:
        """Submit until `live` jobs are under way, so that a fault always meets work."""
        self._under_way = [job for job in self._under_way if not self.ended(job)]
        while len(self._under_way) < live:
            self._under_way.append(self.submit(shape))

    def forget(self, *job_ids: str) -> None:
        """Do not expect anything of these jobs any more."""
        for job_id in job_ids:
            del self.jobs[job_id]
        self._under_way = [job for job in self._under_way if job in self.jobs]

    def work(self, live: int, shape: Shape, handlers: int, limit: float = 30.0) -> None:
        """Return when `handlers` more have started, with `live` jobs under way all the time."""
        seen = self.started()

        def enough() -> bool:
            self.feed(live, shape)
            return self.started() >= seen + handlers

        eventually(enough, limit, f"{handlers} handlers to start")

    def fault_over(self) -> None:
        """The latest fault ends now: recovery counts from here."""
        self._last_fault = time.monotonic()

    def since_fault(self) -> float:
        """Seconds since the last fault."""
        return time.monotonic() - self._last_fault

    def lines(self, job_id: str | None = None) -> list[ledger.Line]:
        """The ledger, of one job or of all."""
        return ledger.read(self.ledger, job_id)

    def resumed(self, live: int, shape: Shape, limit: float | None = None) -> float:
        """The fault is over: seconds until every worker is given messages again.

        ``limit``: seconds; default: that of I4.
        """
        limit = self.settings.lease + self._end_limit if limit is None else limit
        self.fault_over()
        seen = {worker: worker.log.stat().st_size for worker in self.fleet.workers}
        # Jobs of after the fault alone tell of a connection to the broker that works.
        before = set(self.jobs)
        self._under_way = []

        def idle() -> list[str]:
            self.feed(live, shape)
            fresh = set(self.jobs) - before
            return [
                worker.name
                for worker in self.fleet.workers
                if worker.alive and not fresh & _received(worker.log, seen[worker])
            ]

        try:
            eventually(lambda: not idle(), limit, lambda: f"work for {idle()}")
        except AssertionError as error:
            self.violations.append(f"I4 not back at work: {error}")
        return self.since_fault()

    def started(self) -> int:
        """Handlers started so far, as the ledger knows."""
        return self.ledger.read_bytes().count(b"start ") if self.ledger.exists() else 0

    def ended(self, job_id: str) -> bool:
        """Whether a job is terminal now."""
        return self.engine.inspector.status(job_id) in ("completed", "failed", "cancelled")

    def wait(self, limit: float | None = None) -> float:
        """Wait until every job has ended: I4. Returns the seconds since the last fault.

        ``limit``: seconds after the last fault; default: the lease and 30 s.
        """
        limit = self.settings.lease + self._end_limit if limit is None else limit
        for job_id in self.jobs:
            try:
                self.engine.wait(job_id, max(0.1, limit - self.since_fault()))
            except TimeoutError:
                row = JobRows(self.engine.store).row(job_id)
                told = {k: v.decode() for k, v in row.items() if len(v) < 40}
                self.violations.append(f"I4 job {job_id} has not ended {limit} s after: {told}")
        return self.since_fault()

    def verify(self, *, rolled_back: bool = False) -> None:
        """Check I1 to I3 for every job and, when all have ended, the fleet at rest."""
        lines: dict[str, list[ledger.Line]] = {job_id: [] for job_id in self.jobs}
        for line in self.lines():
            lines.setdefault(line.job_id, []).append(line)
        for job_id, tree in self.jobs.items():
            self.violations += check_tree(
                self.engine, job_id, tree, lines[job_id], rolled_back=rolled_back
            )
        self.violations += self._rest()

    def count(self, kind: str) -> int:
        """Entries of one kind in the histories of all jobs, for example ``lost``."""
        inspector = self.engine.inspector
        return sum(entry.kind == kind for job in self.jobs for entry in inspector.history(job))

    def _rest(self) -> list[str]:
        if not all(self.ended(job_id) for job_id in self.jobs):
            return []
        # Handlers of a job that has ended may still hold their leases for a moment.
        try:
            eventually(lambda: not check_rest(self.engine), self.settings.lease + 5)
        except AssertionError:
            return check_rest(self.engine)
        return []

    def close(self) -> None:
        """End the workers, telling of their logs when something did not hold."""
        for worker in self.fleet.workers:
            # Nothing is left that an orderly stop could save.
            self.fleet.kill(worker)
            if self.violations:
                print(worker.tail())
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            self.violations.append(f"the round broke off: {error!r}")
        self.close()


def _received(log: Path, offset: int) -> set[str]:
    """Jobs of which a worker has received messages, by its log from `offset` on."""
    with log.open("rb") as file:
        file.seek(offset)
        return {job.decode() for job in _RECEIVED.findall(file.read())}
