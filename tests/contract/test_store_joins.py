"""Joins: deliveries are collected, and their handler is called once when the rule says so."""

from __future__ import annotations

import pytest

from tests.contract.bench import LONG, Bench, record
from tests.contract.joins import ALL, COUNT, COUNT_OR_FIRE, QUIET, joined, run, start


def test_a_count_fires_when_it_is_full(bench: Bench) -> None:
    """So many items make one invocation, the next so many the next; none is in two."""
    job = start(bench, COUNT)
    bench.commit(job, emitted=[(1, 0, "j3:")] * 6)
    assert joined(bench, job) == ["2.1.0", "3.1.0"]
    assert bench.hash("invocations", job)["2.1.0"] == b"J3 "
    collected = bench.hash("collected", job)
    assert set(collected) == {f"{n}.{k}" for n in (2, 3) for k in (1, 2, 3)}
    assert collected["2.1"] == record(1, r=1, s=0)
    assert bench.hash("joins", job) == {}


def test_keys_are_collected_apart(bench: Bench) -> None:
    """Items of one key never mix with those of another, whatever is in the key."""
    job = start(bench, COUNT)
    keys = ["a", "b", "a", "c/d e\n:", "b"]
    bench.commit(job, emitted=[(1, 0, f"j2:{key}") for key in keys])
    found = {
        invocation: bench.hash("invocations", job)[invocation] for invocation in joined(bench, job)
    }
    assert found == {"2.1.0": b"J2 a", "3.1.0": b"J2 b"}
    assert bench.hash("joins", job) == {"1.0/c/d e\n:": b"4 1"}


def test_a_join_of_all_fires_when_nothing_above_is_left(bench: Bench) -> None:
    """Items of several invocations are one collection."""
    job = start(bench, ALL)
    bench.commit(job, emitted=[(1, 0, "j0:"), (0, 1, ""), (0, 1, "")])
    assert joined(bench, job) == []
    bench.start(job, "3.0.1")
    bench.commit(job, "3.0.1", emitted=[(1, 0, "j0:")])
    assert joined(bench, job) == []
    run(bench, job, "4.0.1")
    assert joined(bench, job) == ["2.1.0"]
    assert bench.hash("invocations", job)["2.1.0"] == b"J2 "
    assert run(bench, job, "2.1.0") == "ok"
    assert bench.status(job) == "completed"


def test_a_waiting_retry_above_keeps_a_join_open(bench: Bench) -> None:
    """A timer is outstanding work that may still deliver."""
    job = start(bench, ALL)
    bench.commit(job, emitted=[(1, 0, "j0:"), (0, 1, "")])
    bench.start(job, "3.0.1")
    bench.retry_later(job, "3.0.1", delay=-1)
    assert joined(bench, job) == []
    bench.store.upkeep.release_due(10)
    run(bench, job, "3.0.1")
    assert joined(bench, job) == ["2.1.0"]


def test_staged_items_belong_to_the_join(bench: Bench) -> None:
    """A join of all waits for what is still staged."""
    job = bench.submit(ALL, max_in_flight=1)
    bench.start(job)
    bench.stage(job, [(0, 1, ""), (1, 0, "j0:"), (1, 0, "j0:")])
    bench.commit(job, emitted=[(1, 0, "j0:")], staged={0: 1, 1: 2})
    assert joined(bench, job) == []
    (invocation,) = bench.invocations(job)
    run(bench, job, invocation)
    assert bench.hash("invocations", job)["2.1.0"] == b"J3 "


def test_a_join_on_a_cycle_fires_when_the_job_is_quiet(bench: Bench) -> None:
    """Its handler may start another round; without one the job ends."""
    job = start(bench, QUIET)
    bench.commit(job, emitted=[(1, 0, "j0:"), (0, 1, "")])
    assert joined(bench, job) == []
    run(bench, job, "3.0.1")
    assert joined(bench, job) == ["2.1.0"]
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0", emitted=[(1, 0, "j0:")])
    assert joined(bench, job) == ["4.1.0"]
    run(bench, job, "4.1.0")
    assert bench.status(job) == "completed"


@pytest.mark.parametrize("joins", [COUNT, COUNT_OR_FIRE])
def test_a_count_that_cannot_be_reached_is_given_up(bench: Bench, joins: str) -> None:
    """When nothing is left that could deliver, the job fails, or the handler gets what is there."""
    job = start(bench, joins)
    bench.commit(job, emitted=[(1, 0, "j3:"), (1, 0, "j3:")])
    if joins is COUNT:
        assert (bench.status(job), bench.row(job)["reason"]) == ("failed", "join not filled")
    else:
        assert bench.hash("invocations", job)["2.1.0"] == b"J2 "


@pytest.mark.parametrize("otherwise", ["fail", "fire"])
def test_a_late_join_is_given_up(bench: Bench, otherwise: str) -> None:
    """Its time counts from its first item; a collection that has fired has no timer any more."""
    job = start(bench, f"1.0 count 1 {otherwise} 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:"), (1, 0, "j2:"), (1, 0, "j2:")])
    assert joined(bench, job) == ["3.1.0"]
    timers = bench.members("timers")
    assert list(timers) == [f"{job}/join/4 1.0/"]
    bench.make_due()
    bench.store.upkeep.release_due(10)
    if otherwise == "fail":
        assert bench.status(job) == "failed"
    else:
        assert joined(bench, job) == ["3.1.0", "4.1.0"]
        assert bench.hash("invocations", job)["4.1.0"] == b"J1 "


def test_a_join_does_not_time_out_while_paused(bench: Bench) -> None:
    """It has its whole time from the resume on; until then it is no work for the upkeep."""
    job = start(bench, f"1.0 count {LONG} fail 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:")])
    bench.pause(job)
    (member,) = bench.members("timers")
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert bench.status(job) == "paused"
    assert bench.members("timers") == {}
    resumed = bench.now()
    assert bench.store.control.resume(job) == "ok"
    assert list(bench.members("timers")) == [member]
    assert bench.members("timers")[member] >= resumed + LONG


@pytest.mark.parametrize("seen", [True, False])
def test_a_join_has_its_whole_time_after_a_resume(bench: Bench, seen: bool) -> None:
    """What was parked may fill it first; ``seen``: the upkeep found it late during the pause."""
    job = start(bench, f"1.0 count {LONG} fail 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:")])
    bench.pause(job)
    assert bench.claim(job, "2.0.1") == "paused"
    (member,) = bench.members("timers")
    bench.make_due()
    if seen:
        bench.store.upkeep.release_due(10)
    bench.store.control.resume(job)
    bench.store.upkeep.release_due(10)
    assert bench.status(job) == "running"
    assert list(bench.members("timers")) == [member]
    bench.continued_long_ago([job])
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert bench.status(job) == "failed"


def test_a_clock_that_is_set_back_gives_a_join_no_time(bench: Bench) -> None:
    """A resume that lies ahead says nothing."""
    job = start(bench, f"1.0 count {LONG} fail 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:")])
    bench.pause(job)
    bench.store.control.resume(job)
    bench.link.call("HSET", bench.key("job", job), "continued", bench.now() + LONG)
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert bench.status(job) == "failed"


def test_a_join_that_made_its_job_fail_has_its_time_once_more(bench: Bench) -> None:
    """Counted from the retry, however long the job had failed."""
    job = start(bench, f"1.0 count {LONG} fail 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:")])
    (member,) = bench.members("timers")
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert bench.status(job) == "failed"
    assert bench.members("timers") == {}
    retried = bench.now()
    assert bench.store.control.retry(job) == "ok"
    assert bench.members("timers")[member] >= retried + LONG


def test_many_late_joins_wait_for_the_resume(bench: Bench) -> None:
    """They come back in pieces, and none is lost."""
    job = start(bench, f"1.0 count {LONG} fire 0\n")
    bench.commit(job, emitted=[(0, 1, ""), *[(1, 0, f"j2:{n}") for n in range(150)]])
    bench.pause(job)
    bench.make_due()
    while bench.store.upkeep.release_due(100):
        pass
    assert bench.members("timers") == {}
    bench.store.control.resume(job)
    while bench.store.upkeep.release_due(100):
        pass
    assert len(bench.members("timers")) == 150
    bench.continued_long_ago([job])
    bench.make_due()
    while bench.store.upkeep.release_due(100):
        pass
    assert len(joined(bench, job)) == 150
    assert not bench.link.call("EXISTS", bench.key("late", job))


def test_a_late_join_that_has_fired_meanwhile_does_not_come_back(bench: Bench) -> None:
    """One that was late in a paused job, and is then filled, is handled once."""
    job = start(bench, f"1.0 count {LONG} fail 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:")])
    bench.start(job, "2.0.1", "t2")
    bench.pause(job)
    bench.make_due()
    bench.store.upkeep.release_due(10)
    bench.commit(job, "2.0.1", "t2", emitted=[(1, 0, "j2:")])
    bench.store.control.resume(job)
    bench.store.upkeep.release_due(10)
    assert joined(bench, job) == ["3.1.0"]
    assert bench.status(job) == "running"
    assert bench.members("timers") == {}


def test_many_collections_fire_at_once(bench: Bench) -> None:
    """More than one script handles: the upkeep finishes the rest."""
    job = start(bench, ALL)
    bench.commit(job, emitted=[(1, 0, f"j0:{n}") for n in range(250)])
    while bench.store.upkeep.release_due(10):
        pass
    assert len(joined(bench, job)) == 250
    assert bench.hash("joins", job) == {}


def test_a_commit_drops_the_items_that_it_handled(bench: Bench) -> None:
    """Collected items go with the commit of their handler."""
    job = start(bench, COUNT)
    bench.commit(job, emitted=[(1, 0, "j3:")] * 3 + [(0, 1, "")])
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0", resets=[("", 3)])
    assert bench.hash("collected", job) == {}


def test_a_joining_entry_fires_at_once(bench: Bench) -> None:
    """A job that is entered at a join has all that it will ever get."""
    job = bench.submit(ALL, routine=1, mode="j0:")
    assert bench.invocations(job) == {"1.1.0"}
    assert run(bench, job, "1.1.0") == "ok"
    assert bench.status(job) == "completed"


# --- joins of jobs that fail -----------------------------------------------------------------


def test_nothing_of_a_job_with_a_late_join_stays_for_ever(bench: Bench) -> None:
    """What still ran when the job failed is parked for the retry, no longer than the job."""
    job = start(bench, f"1.0 count {LONG} fail 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:")])
    bench.start(job, "2.0.1")
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert bench.status(job) == "failed"
    assert bench.commit(job, "2.0.1") == "dropped"
    assert bench.parked(job) == ["2.0.1"]
    assert 0 < bench.link.call("PTTL", bench.key("parked", job)) <= LONG


def test_a_join_of_a_failed_job_may_still_be_late(bench: Bench) -> None:
    """It waits for the retry, and then has its time again."""
    job = start(bench, f"1.0 count {LONG} fire 0\n")
    bench.commit(job, emitted=[(0, 1, ""), (1, 0, "j2:")])
    bench.start(job, "2.0.1")
    bench.fail(job, "2.0.1")
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert joined(bench, job) == []
    bench.store.control.retry(job)
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert joined(bench, job) == []
    bench.continued_long_ago([job])
    bench.make_due()
    bench.store.upkeep.release_due(10)
    assert joined(bench, job) == ["3.1.0"]
