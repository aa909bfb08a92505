"""Tokens, leases and the loop of the upkeep, without waiting."""

from __future__ import annotations

import os
from dataclasses import dataclass

from flowforge.worker.duties.presence import Presence
from flowforge.worker.duties.reclaimer import Reclaimer
from flowforge.worker.duties.retention import Retention
from flowforge.worker.duties.timers import TimerService
from flowforge.worker.heartbeat import LeaseKeeper
from flowforge.worker.maintenance import Duty, Maintenance
from flowforge.worker.tokens import next_token
from tests.contract.bench import LONG, Bench


@dataclass
class Holder:
    cancelled: bool = False


class Counting:
    """A duty that counts."""

    def __init__(self) -> None:
        self.runs = 0

    def run_once(self) -> None:
        self.runs += 1


def test_tokens_differ() -> None:
    """No token is made twice, also not by a forked child."""
    tokens = {next_token() for _ in range(100)}
    assert len(tokens) == 100
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, next_token().encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(read, 100).decode()
    os.close(read)
    os.close(write)
    assert theirs.partition("-")[0] not in {token.partition("-")[0] for token in tokens}


def test_held_leases_are_renewed(bench: Bench) -> None:
    """Every lease that was added, until it is removed."""
    keeper = LeaseKeeper(bench.store, lease=600.0, interval=3600.0)
    job = bench.submit()
    bench.start(job, lease=-1)
    lease, holder = f"{job}/1.0.0/t", Holder()
    keeper.add(lease, holder)
    assert keeper.renew_once() == 0
    assert bench.store.reclaim(9, 10) == (0, 0, 0)
    keeper.remove(lease)
    bench.store.heartbeat(-1, [lease])
    assert keeper.renew_once() == 0
    assert bench.store.reclaim(9, 10) == (1, 0, 0)
    assert not holder.cancelled


def test_who_lost_a_lease_is_told(bench: Bench) -> None:
    """Also whoever works for a job that has ended; the others are not."""
    keeper = LeaseKeeper(bench.store, lease=600.0, interval=3600.0)
    lost, ended, held = bench.submit(), bench.submit(), bench.submit()
    bench.start(lost, lease=-1)
    for job in (ended, held):
        bench.start(job)
    holders = {job: Holder() for job in (lost, ended, held)}
    for job, holder in holders.items():
        keeper.add(f"{job}/1.0.0/t", holder)
    bench.store.reclaim(9, 10)
    bench.store.cancel(ended, "")
    assert keeper.renew_once() == 2
    assert [holders[job].cancelled for job in (lost, ended, held)] == [True, True, False]


def test_many_leases_are_renewed_in_chunks(bench: Bench) -> None:
    """More than one call of the script takes."""
    keeper = LeaseKeeper(bench.store, lease=600.0, interval=3600.0)
    holders = [Holder() for _ in range(1200)]
    for number, holder in enumerate(holders):
        keeper.add(f"j/1.0.0/{number}", holder)
    assert keeper.renew_once() == 1200
    assert all(holder.cancelled for holder in holders)


def test_only_the_leader_does_the_leaders_duties(bench: Bench) -> None:
    """Every worker does the others."""
    shared = [Counting(), Counting()]
    each = [Counting(), Counting()]
    upkeeps = [
        Maintenance(bench.store, [Duty(s, 0.0), Duty(e, 0.0, leader_only=False)])
        for s, e in zip(shared, each, strict=True)
    ]
    for upkeep in (*upkeeps, *upkeeps):
        upkeep.tick()
    assert [duty.runs for duty in shared] == [2, 0]
    assert [duty.runs for duty in each] == [2, 2]


def test_a_stopping_leader_hands_over(bench: Bench) -> None:
    """The next candidate leads at once."""
    duties = [Counting(), Counting()]
    upkeeps = [Maintenance(bench.store, [Duty(duty, 0.0)]) for duty in duties]
    upkeeps[0].tick()
    upkeeps[0].stop()
    upkeeps[1].tick()
    assert [duty.runs for duty in duties] == [1, 1]


def test_a_stopping_follower_takes_no_lead_away(bench: Bench) -> None:
    """Only the leader's own lead is given up."""
    leader = Maintenance(bench.store, [Duty(Counting(), 0.0)])
    follower = Maintenance(bench.store, [Duty(Counting(), 0.0)])
    leader.tick()
    follower.tick()
    follower.stop()
    assert bench.link.call("EXISTS", bench.key("leader")) == 1


def test_a_duty_waits_for_its_interval(bench: Bench) -> None:
    """A tick in between leaves it alone."""
    often, seldom = Counting(), Counting()
    upkeep = Maintenance(bench.store, [Duty(often, 0.0), Duty(seldom, 3600.0)])
    for _ in range(3):
        upkeep.tick()
    assert (often.runs, seldom.runs) == (3, 1)


class Failing:
    def run_once(self) -> None:
        raise RuntimeError("no")


def test_a_failing_duty_does_not_starve_those_behind_it(bench: Bench) -> None:
    """One duty that always fails must not keep lost work from being found."""
    behind = Counting()
    upkeep = Maintenance(bench.store, [Duty(Failing(), 0.0), Duty(behind, 0.0)])
    for _ in range(3):
        upkeep._safely(upkeep.tick)
    assert behind.runs > 0


def test_services_work_until_nothing_is_left(bench: Bench) -> None:
    """Batches do not limit a run."""
    jobs = [bench.submit() for _ in range(230)]
    for job in jobs:
        bench.start(job, lease=-1)
    assert Reclaimer(bench.store, 9).run_once() == 230
    for job in jobs:
        bench.start(job, token="t2")
        bench.retry_later(job, token="t2", delay=-1)
    assert TimerService(bench.store).run_once() == 230
    assert Retention(bench.store).run_once() == 0


def test_a_worker_is_present_until_it_withdraws(bench: Bench) -> None:
    """Its record has a time and its facts."""
    presence = Presence(bench.store, "w1", lambda: {"pid": 1})
    assert presence.run_once() > 0
    assert set(bench.hash("workers")) == {"w1"}
    assert 0 < bench.link.call("PTTL", bench.key("workers")) <= LONG
    presence.withdraw()
    assert bench.hash("workers") == {}
