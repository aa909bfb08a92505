"""Tokens, leases and the loop of the upkeep, without waiting."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from flowforge.codec.binary import RECORD_VERSION, pack_record, packb
from flowforge.errors import (
    CommandRefusedError,
    FlowForgeError,
    LoginRefusedError,
    WritesRefusedError,
)
from flowforge.store.fleet_reads.worker_reports import FORGOTTEN, WorkerReports
from flowforge.store.lease_tokens import next_token, owner_of
from flowforge.worker.run.leases import LeaseKeeper
from flowforge.worker.upkeep.presence import Presence, RateLimitedReports, StaleReports
from flowforge.worker.upkeep.reclaimer import Reclaimer
from flowforge.worker.upkeep.retention import Retention
from flowforge.worker.upkeep.timers import Timers
from flowforge.worker.upkeep.upkeep import AGAIN, LEAD, LONGEST_REST, Scheduled, Upkeep
from tests.contract.bench import LONG, Bench
from tests.support.eventually import eventually


@dataclass
class Holder:
    cancelled: bool = False
    ends_at: float | None = None


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


@pytest.mark.parametrize(
    ("token", "owner"),
    [
        ("0a1b2c0012670123456789ab-7", ("0a1b2c", 4711)),
        ("0000000012670123456789ab-7", (None, 4711)),
        ("0a1b2c0123456789ab-7", ("0a1b2c", None)),
        ("0123456789ab-7", (None, None)),
        ("t", (None, None)),
    ],
)
def test_a_token_says_whose_it_is(token: str, owner: tuple[str | None, int | None]) -> None:
    """Also one of an earlier release, as far as it can."""
    assert owner_of(token) == owner


def test_a_token_names_its_process() -> None:
    """By the id that the system gives it."""
    assert owner_of(next_token()).pid == os.getpid()


def test_held_leases_are_renewed(bench: Bench) -> None:
    """Every lease that was added, until it is removed."""
    keeper = LeaseKeeper(bench.store, lease=600.0, interval=3600.0)
    job = bench.submit()
    bench.start(job, lease=-1)
    lease, holder = f"{job}/1.0.0/t", Holder()
    keeper.add(lease, holder)
    assert keeper.renew_once() == 0
    assert bench.reclaim(9, 10) == (0, 0, 0)
    keeper.remove(lease)
    bench.store.invocations.heartbeat(-1, [lease])
    assert keeper.renew_once() == 0
    assert bench.reclaim(9, 10) == (1, 0, 0)
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
    bench.reclaim(9, 10)
    bench.store.control.cancel(ended, "")
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
        Upkeep(bench.store, [Scheduled(s, 0.0), Scheduled(e, 0.0, leader_only=False)])
        for s, e in zip(shared, each, strict=True)
    ]
    for upkeep in (*upkeeps, *upkeeps):
        upkeep.tick()
    assert [duty.runs for duty in shared] == [2, 0]
    assert [duty.runs for duty in each] == [2, 2]


def test_a_stopping_leader_hands_over(bench: Bench) -> None:
    """The next candidate leads at once."""
    duties = [Counting(), Counting()]
    upkeeps = [Upkeep(bench.store, [Scheduled(duty, 0.0)]) for duty in duties]
    upkeeps[0].tick()
    upkeeps[0].stop()
    upkeeps[1].tick()
    assert [duty.runs for duty in duties] == [1, 1]


def test_a_stopping_follower_takes_no_lead_away(bench: Bench) -> None:
    """Only the leader's own lead is given up."""
    leader = Upkeep(bench.store, [Scheduled(Counting(), 0.0)])
    follower = Upkeep(bench.store, [Scheduled(Counting(), 0.0)])
    leader.tick()
    follower.tick()
    follower.stop()
    assert bench.link.call("EXISTS", bench.key("leader")) == 1


@pytest.mark.attack(what="A leader key without an expiry, or with one far away")
@pytest.mark.parametrize("value", ["for ever", "too long", "no string"])
def test_a_lead_that_nobody_can_hold_is_taken(bench: Bench, value: str) -> None:
    """Another worker takes the lead, and the key gets its normal expiry."""
    key = bench.key("leader")
    if value == "no string":
        bench.link.call("RPUSH", key, "x")
    else:
        bench.link.call("SET", key, "evil")
    if value == "too long":
        bench.link.call("PEXPIRE", key, 3_600_000)
    duty = Counting()
    Upkeep(bench.store, [Scheduled(duty, 0.0)]).tick()
    assert duty.runs == 1
    assert 0 < bench.link.call("PTTL", key) <= LEAD * 1000


def test_a_lead_that_another_holds_is_left_alone(bench: Bench) -> None:
    """Until it expires."""
    bench.link.call("SET", bench.key("leader"), "99/other", "PX", int(LEAD * 1000))
    duty = Counting()
    Upkeep(bench.store, [Scheduled(duty, 0.0)]).tick()
    assert duty.runs == 0
    bench.link.call("PEXPIRE", bench.key("leader"), 1)
    assert eventually(lambda: bench.store.upkeep.lead("me", 1000)) == 1


def test_the_lead_is_asked_for_again_before_each_duty(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a duty that took longer than a lead somebody else may have it."""

    class Slow(Counting):
        def run_once(self) -> None:
            super().run_once()
            bench.link.call("SET", bench.key("leader"), "99/other", "PX", int(LEAD * 1000))
            later = time.monotonic() + LEAD
            monkeypatch.setattr("flowforge.worker.upkeep.upkeep.time.monotonic", lambda: later)

    slow, behind, own = Slow(), Counting(), Counting()
    duties = [Scheduled(slow, 0.0), Scheduled(behind, 0.0), Scheduled(own, 0.0, leader_only=False)]
    Upkeep(bench.store, duties).tick()
    assert (slow.runs, behind.runs, own.runs) == (1, 0, 1)


class Refused:
    """A duty that the server does not take for so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def run_once(self) -> None:
        self.times -= 1
        if self.times >= 0:
            raise WritesRefusedError("it is full")


def test_an_outage_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """In one line, and again when there is another."""
    refused = Refused(3)
    upkeep = Upkeep(bench.store, [Scheduled(refused, 0.0)])
    for _ in range(4):
        upkeep.tick()
    assert caplog.messages == ["upkeep waits: it is full"]
    assert caplog.records[0].exc_info is None
    refused.times = 1
    upkeep.tick()
    assert len(caplog.messages) == 2


class Forbidden:
    """A duty that the server refuses while there is an error."""

    def __init__(self, error: FlowForgeError) -> None:
        self.error: FlowForgeError | None = error
        self.runs = 0

    def run_once(self) -> None:
        self.runs += 1
        if self.error is not None:
            raise self.error


def test_a_refused_login_is_told_once_and_tried_seldom(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for all duties; the turns come less and less often, until it is accepted."""
    first, second = (Forbidden(LoginRefusedError("who are you")) for _ in range(2))
    upkeep = Upkeep(bench.store, [Scheduled(first, 0.0), Scheduled(second, 0.0)])
    rests = [0.25]
    for _ in range(7):
        rests.append(upkeep._turn(rests[-1], 0.25))
    assert rests == [0.25, 0.5, 1.0, 2.0, 4.0, LONGEST_REST, LONGEST_REST, LONGEST_REST]
    assert (first.runs, second.runs) == (7, 0)
    assert caplog.messages == ["upkeep waits: who are you"]
    first.error = second.error = None
    assert upkeep._turn(rests[-1], 0.25) == 0.25
    assert second.runs == 1


def test_a_missing_right_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """In one line for all duties that lack it; the others go on as ever."""
    error = CommandRefusedError("you may not")
    lacking = [Forbidden(error), Forbidden(error)]
    allowed = Counting()
    upkeep = Upkeep(
        bench.store, [*(Scheduled(one, 0.0) for one in lacking), Scheduled(allowed, 0.0)]
    )
    for _ in range(3):
        assert upkeep._turn(0.25, 0.25) == 0.25
    assert allowed.runs == 3
    assert caplog.messages == ["upkeep waits: you may not"]


def test_the_first_turn_is_at_once(bench: Bench) -> None:
    """Even of a worker that stops as it starts: others look for its report when it takes work."""
    duty = Counting()
    upkeep = Upkeep(bench.store, [Scheduled(duty, 3600.0, leader_only=False)])
    upkeep.start()
    upkeep.stop()
    assert duty.runs == 1


def test_a_duty_waits_for_its_interval(bench: Bench) -> None:
    """A tick in between leaves it alone."""
    often, seldom = Counting(), Counting()
    upkeep = Upkeep(bench.store, [Scheduled(often, 0.0), Scheduled(seldom, 3600.0)])
    for _ in range(3):
        upkeep.tick()
    assert (often.runs, seldom.runs) == (3, 1)


@pytest.mark.parametrize("error", [WritesRefusedError("full"), ValueError("damaged")])
def test_a_duty_that_is_seldom_due_is_tried_again_soon(bench: Bench, error: Exception) -> None:
    """One that has failed; its next turn is after its interval."""
    duty = Once(error)
    scheduled = Scheduled(duty, 6 * 3600.0, leader_only=False)
    upkeep = Upkeep(bench.store, [scheduled])
    upkeep.tick()
    assert duty.runs == 0
    assert scheduled.next_run - time.monotonic() <= AGAIN
    scheduled.next_run = 0.0
    upkeep.tick()
    assert duty.runs == 1
    assert scheduled.next_run - time.monotonic() > AGAIN


class Once(Counting):
    """A duty that fails the first time."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._errors = [error]

    def run_once(self) -> None:
        for error in self._errors:
            self._errors = []
            raise error
        super().run_once()


class Failing:
    def run_once(self) -> None:
        raise RuntimeError("no")


def test_a_failing_duty_does_not_starve_those_behind_it(bench: Bench) -> None:
    """One duty that always fails must not keep lost work from being found."""
    behind = Counting()
    upkeep = Upkeep(bench.store, [Scheduled(Failing(), 0.0), Scheduled(behind, 0.0)])
    for _ in range(3):
        upkeep._safely(upkeep.tick)
    assert behind.runs > 0


def test_services_work_until_nothing_is_left(bench: Bench) -> None:
    """Batches do not limit a run."""
    jobs = [bench.submit() for _ in range(230)]
    for job in jobs:
        bench.start(job, lease=-1)
    assert Reclaimer(bench.store, 9, lambda _, tag: tag).run_once() == 230
    for job in jobs:
        bench.start(job, token="t2")
        bench.retry_later(job, token="t2", delay=-1)
    assert Timers(bench.store).run_once() == 230
    assert Retention(bench.store).run_once() == 0


def raising(error: Exception) -> Callable[..., object]:
    """A function that raises."""

    def function(*arguments: object) -> object:
        raise error

    return function


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_leases_that_ran_out_in_an_outage_are_not_taken_at_once(bench: Bench) -> None:
    """Nobody could renew them: everybody has a heartbeat's time for that, also at first."""
    clock, keeper = Clock(), LeaseKeeper(bench.store, lease=600.0, interval=3600.0)
    reclaimer = Reclaimer(bench.store, 9, interval=2.0, grace=5.0, clock=clock)
    living, dead = bench.submit(), bench.submit()
    for job in (living, dead):
        bench.start(job, lease=-1)
    keeper.add(f"{living}/1.0.0/t", Holder())
    assert reclaimer.run_once() == 0
    keeper.renew_once()
    clock.now += 4.9
    assert reclaimer.run_once() == 0
    clock.now += 0.2
    assert reclaimer.run_once() == 1
    assert bench.counters(dead) == (1, 0, 0, 0)
    # Looks that follow each other take at once.
    bench.store.invocations.heartbeat(-1, [f"{living}/1.0.0/t"])
    clock.now += 2.0
    assert reclaimer.run_once() == 1
    bench.start(living, token="t2", lease=-1)
    clock.now += 4.1
    assert reclaimer.run_once() == 0


def test_a_refused_look_is_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage for writes may be shorter than two looks, and longer than a lease has left."""
    clock = Clock()
    reclaimer = Reclaimer(bench.store, 9, interval=2.0, grace=5.0, clock=clock)
    reclaimer.run_once()
    clock.now += 5.1
    assert reclaimer.run_once() == 0
    bench.start(bench.submit(), lease=-1)
    with monkeypatch.context() as outage:
        outage.setattr(bench.store.upkeep, "reclaim", raising(WritesRefusedError("no replicas")))
        with pytest.raises(WritesRefusedError):
            reclaimer.run_once()
    clock.now += 2.0
    assert reclaimer.run_once() == 0
    clock.now += 5.1
    assert reclaimer.run_once() == 1


def test_a_leader_that_is_always_late_takes_leases_all_the_same(bench: Bench) -> None:
    """Each pause before a look is too long, and yet not every look can be the first."""
    clock = Clock()
    reclaimer = Reclaimer(bench.store, 9, interval=0.1, grace=0.5, clock=clock)
    bench.start(bench.submit(), lease=-1)
    taken = 0
    for _ in range(2):
        clock.now += 60.0
        taken += reclaimer.run_once()
    assert taken == 1


def test_no_lease_outlasts_a_clock_that_was_set_back(bench: Bench) -> None:
    """A dead worker's is cut to what a lease may last, a shorter one is left as it is."""
    long, short = bench.submit(), bench.submit()
    bench.start(long, lease=3_600_000)
    bench.start(short, lease=20_000)
    before = bench.members("leases")[f"{short}/1.0.0/t"]
    assert Reclaimer(bench.store, 9, lease=60.0).run_once() == 0
    after = bench.members("leases")
    assert after[f"{long}/1.0.0/t"] <= bench.now() + 60_000
    assert after[f"{short}/1.0.0/t"] == before


@pytest.mark.attack(what="A worker's report that cannot be read")
def test_a_report_that_cannot_be_read_is_forgotten(bench: Bench) -> None:
    """It is forgotten; a report of a newer release is kept for workers that can read it."""
    key, now = bench.key("workers"), bench.now() // 1000
    newer = packb([RECORD_VERSION + 1, now, {}])
    reports = {
        "junk": b"junk", "old": pack_record(now - FORGOTTEN - 1, {}),
        "no time": pack_record("x", {}), "newer": newer, "here": pack_record(now, {}),
    }  # fmt: skip
    for name, record in reports.items():
        bench.link.call("HSET", key, name, record)
    assert StaleReports(bench.store).run_once() == 3
    assert set(bench.hash("workers")) == {"newer", "here"}


def test_a_lease_is_renewed_before_its_holder_is_known(bench: Bench) -> None:
    """A holder that comes later is told by the next beat that the lease was lost."""
    keeper = LeaseKeeper(bench.store, lease=600.0, interval=3600.0)
    job = bench.submit()
    bench.start(job, lease=-1)
    lease, holder = f"{job}/1.0.0/t", Holder()
    keeper.add(lease)
    assert keeper.renew_once() == 0
    assert bench.reclaim(9, 10) == (0, 0, 0)
    bench.store.invocations.heartbeat(-1, [lease])
    bench.reclaim(9, 10)
    assert keeper.renew_once() == 1
    keeper.add(lease, holder)
    assert keeper.renew_once() == 1
    assert holder.cancelled


def test_a_worker_is_present_until_it_withdraws(bench: Bench) -> None:
    """Its record has a time and its facts."""
    presence = Presence(bench.store, "w1", lambda: {"pid": 1})
    assert presence.run_once() > 0
    assert set(bench.hash("workers")) == {"w1"}
    assert 0 < bench.link.call("PTTL", bench.key("workers")) <= LONG
    presence.withdraw()
    assert bench.hash("workers") == {}


def test_two_workers_of_one_name_are_told_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Both are; one that has replaced another is not, and neither takes the other's report away."""
    one, other = (Presence(bench.store, "w1", dict) for _ in range(2))
    one.run_once()
    other.run_once()
    assert caplog.messages == []
    for _ in range(2):
        one.run_once()
        other.run_once()
    assert len(caplog.messages) == 2
    assert all("another worker reports under the name" in said for said in caplog.messages)
    assert all("w1" in said and "-n worker1@%h" in said for said in caplog.messages)
    assert [worker.shared for worker in WorkerReports(bench.store).read()[0]] == [True]
    for _ in range(2):
        other.run_once()
    assert [worker.shared for worker in WorkerReports(bench.store).read()[0]] == [False]
    one.run_once()
    other.run_once()
    one.withdraw()
    assert set(bench.hash("workers")) == {"w1"}
    other.withdraw()
    assert bench.hash("workers") == {}


def test_a_worker_that_holds_messages_reports_at_once(bench: Bench) -> None:
    """Else its next report could come after its messages were found lost."""
    held: list[str] = []
    holding = RateLimitedReports(Presence(bench.store, "w1", dict, lambda: held))
    assert holding.run_once() == 0
    assert WorkerReports(bench.store).rate_limited_messages() == set()
    held.append("job/1.0.0")
    bench.link.call("HSET", bench.key("workers"), "damaged", pack_record(0, "no facts"))
    assert holding.run_once() == 1
    assert WorkerReports(bench.store).rate_limited_messages() == {b"job/1.0.0"}
