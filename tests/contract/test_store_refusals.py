"""A server that refuses every write for a while: what the upkeep concludes from it, and tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flowforge.errors import WritesRefusedError
from flowforge.worker.upkeep.presence import Presence
from flowforge.worker.upkeep.reclaimer import Reclaimer
from flowforge.worker.upkeep.timers import Timers
from flowforge.worker.upkeep.upkeep import Duty, Scheduled, Upkeep
from tests.contract.bench import LONG, Bench
from tests.support.eventually import eventually


@pytest.fixture
def bench(own_bench: Bench) -> Iterator[Bench]:
    yield own_bench
    for refuse, _ in REFUSALS.values():
        refuse(own_bench, False)


def replicas(bench: Bench, refuse: bool) -> None:
    bench.client.config_set("min-replicas-to-write", int(refuse))


def role(bench: Bench, refuse: bool) -> None:
    bench.client.execute_command("REPLICAOF", *(("127.0.0.1", "1") if refuse else ("NO", "ONE")))


REFUSALS: dict[str, tuple[Callable[[Bench, bool], None], str]] = {
    "replicas": (replicas, "has fewer replicas"),
    "role": (role, "is a replica"),
}


class Clock:
    """Seconds that pass when the test says so."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.attack(what="A server that refuses writes for about as long as a lease")
@pytest.mark.parametrize("state", REFUSALS)
def test_looks_that_the_server_refuses_are_none(bench: Bench, state: str) -> None:
    """No lease is taken back, because workers could not renew their leases meanwhile."""
    (refuse, told), clock = REFUSALS[state], Clock()
    reclaimer = Reclaimer(bench.store, 9, interval=2.0, grace=5.0, clock=clock)
    assert reclaimer.run_once() == 0
    clock.now += 5.1
    assert reclaimer.run_once() == 0
    job = bench.submit()
    bench.start(job, lease=400)
    refuse(bench, True)
    clock.now += 2.0
    with pytest.raises(WritesRefusedError, match=told):
        reclaimer.run_once()
    at = bench.members("leases")[f"{job}/1.0.0/t"]
    eventually(lambda: bench.now() > at, message="a lease that ran out")
    refuse(bench, False)
    clock.now += 2.1
    assert reclaimer.run_once() == 0
    assert bench.store.invocations.heartbeat(LONG, [f"{job}/1.0.0/t"]) == ["ok"]


def test_a_lease_never_runs_out_between_looks_in_a_row(bench: Bench) -> None:
    """Where looks are as far apart as that, each is followed by the time to renew."""
    clock = Clock()
    reclaimer = Reclaimer(bench.store, 9, lease=4.0, interval=3.0, grace=1.0, clock=clock)
    assert reclaimer.run_once() == 0
    clock.now += 1.1
    assert reclaimer.run_once() == 0
    bench.start(bench.submit(), lease=-1)
    clock.now += 3.1
    assert reclaimer.run_once() == 0
    clock.now += 1.1
    assert reclaimer.run_once() == 1


class Seldom:
    """Does as another duty, each second time."""

    def __init__(self, duty: Duty) -> None:
        self._duty = duty
        self._runs = 0

    def run_once(self) -> None:
        self._runs += 1
        if self._runs % 2:
            self._duty.run_once()


def test_an_outage_for_writes_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever meets it, and however much that only reads succeeds meanwhile; the next one again."""
    duties: list[Duty] = [
        Timers(bench.store),
        Seldom(Reclaimer(bench.store, 9)),
        Seldom(Presence(bench.store, "w1", dict)),
    ]
    upkeep = Upkeep(bench.store, [Scheduled(one, 0.0, leader_only=False) for one in duties])
    bench.store.check_writes()
    for lines in (1, 2):
        replicas(bench, True)
        for _ in range(6):
            upkeep.tick()
        assert len(caplog.messages) == lines
        replicas(bench, False)
        for _ in range(2):
            upkeep.tick()
    assert all("upkeep waits: " in said and "NOREPLICAS" in said for said in caplog.messages)
