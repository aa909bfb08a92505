"""Processes that pause, resume and cancel jobs, and note when each call began and returned."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Literal

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.engine import Engine
from flowforge.errors import JobStateError
from flowforge.settings import Settings

Verb = Literal["pause", "resume", "cancel", "rest"]

#: Seconds between two calls of one process, at most.
_PAUSE = 0.06

#: Seconds that a process waits for a paused job to come to rest.
_REST = 2.0


@dataclass(frozen=True)
class Call:
    """A call that was accepted, in wall time of nanoseconds. ``rest``: it was paused with nothing
    running."""

    verb: Verb
    job_id: str
    called: int
    returned: int


class Controller:
    """Calls one engine and notes the accepted calls."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.calls: list[Call] = []

    def do(self, verb: Verb, job_id: str) -> bool:
        """Make the call; False when the job's state does not allow it."""
        called = time.time_ns()
        try:
            if verb == "rest":
                if self._engine.wait(job_id, _REST) != "paused":
                    return False
            else:
                getattr(self._engine, verb)(job_id)
        except (JobStateError, TimeoutError):
            return False
        self.calls.append(Call(verb, job_id, called, time.time_ns()))
        return True


def toggle(url: str, prefix: str, jobs: Sequence[str], toggles: int, seed: int) -> list[Call]:
    """Pause and resume jobs at random, in all `toggles` accepted calls; runs in its own process."""
    rng = random.Random(seed)
    settings = Settings(redis_url=url, prefix=prefix)
    engine = Engine(settings, fleet_app(settings))
    controller = Controller(engine)
    done = 0
    try:
        while done < toggles:
            job = rng.choice(jobs)
            if controller.do("pause", job):
                done += 1
                if rng.random() < 0.3:
                    controller.do("rest", job)
            time.sleep(rng.uniform(0, _PAUSE))
            done += controller.do("resume", job)
            time.sleep(rng.uniform(0, _PAUSE))
            if all(engine.inspector.status(one) in ("completed", "cancelled") for one in jobs):
                break
    finally:
        engine.close()
    return controller.calls


def toggle_in_processes(
    url: str, prefix: str, jobs: Sequence[str], toggles: int, seeds: Sequence[int]
) -> list[Call]:
    """Run :func:`toggle` in one process for each seed, sharing the toggles among them."""
    with ProcessPoolExecutor(len(seeds), multiprocessing.get_context("spawn")) as pool:
        share = -(-toggles // len(seeds))
        running = [pool.submit(toggle, url, prefix, jobs, share, seed) for seed in seeds]
        return [call for done in running for call in done.result()]


def windows(calls: Sequence[Call], verbs: Sequence[Verb]) -> list[tuple[str, int, int]]:
    """(job, from, until) in which nothing of the job may start, because of calls of these verbs.

    Left out is what cannot be told: a resume that ran at the same time.
    """
    found = []
    for call in calls:
        if call.verb not in verbs:
            continue
        resumes = [c for c in calls if c.verb == "resume" and c.job_id == call.job_id]
        if any(c.called <= call.returned and c.returned >= call.called for c in resumes):
            continue
        until = min((c.called for c in resumes if c.called > call.returned), default=2**63)
        found.append((call.job_id, call.returned, until))
    return found
