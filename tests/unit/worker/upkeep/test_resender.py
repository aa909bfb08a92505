"""Finding messages that were popped and never claimed, with a clock of the test's own."""

from __future__ import annotations

import json

import pytest

from flowforge.worker.upkeep.presence import Presence
from flowforge.worker.upkeep.resender import Resender
from tests.contract.bench import Bench
from tests.unit.broker.hostile import foreign_task

GRACE = 5.0


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Looks:
    """A resender and its clock."""

    def __init__(self, bench: Bench) -> None:
        self.clock = Clock()
        self.resender = Resender(bench.store, GRACE, self.clock)

    def after(self, seconds: float) -> int:
        """Messages found lost by a look that many seconds later."""
        self.clock.now += seconds
        return self.resender.run_once()


@pytest.fixture
def looks(bench: Bench) -> Looks:
    return Looks(bench)


def pop(bench: Bench) -> None:
    """What a worker does before it dies."""
    bench.link.call("RPOP", bench.list)


def put_foreign(bench: Bench, *, last: bool = False) -> None:
    """A task of somebody else on the list, to be popped next (or last)."""
    item = json.dumps(foreign_task())
    bench.link.call("LPUSH" if last else "RPUSH", bench.list, item)


def test_a_popped_message_is_pushed_again_after_the_grace(bench: Bench, looks: Looks) -> None:
    """Not at once: the worker that popped it may be about to claim."""
    job = bench.submit()
    pop(bench)
    assert [looks.after(0), looks.after(GRACE - 1)] == [0, 0]
    assert bench.sent() == []
    assert looks.after(1) == 1
    assert bench.sent() == [(job, "1.0.0")]


def test_a_message_on_the_list_is_not_lost(bench: Bench, looks: Looks) -> None:
    """However long it waits there."""
    bench.submit()
    assert [looks.after(GRACE) for _ in range(5)] == [0] * 5
    assert len(bench.sent()) == 1


def test_a_claimed_message_is_not_lost(bench: Bench, looks: Looks) -> None:
    """The claim came within the grace."""
    job = bench.submit()
    pop(bench)
    looks.after(0)
    bench.start(job)
    assert [looks.after(GRACE) for _ in range(3)] == [0] * 3
    assert bench.sent() == []


def test_only_what_is_older_than_the_tail_was_popped(bench: Bench, looks: Looks) -> None:
    """Lists are served in order, so the tail's number divides popped from waiting."""
    first, second = bench.submit(), bench.submit()
    pop(bench)
    looks.after(0)
    assert looks.after(GRACE) == 1
    assert bench.sent() == [(second, "1.0.0"), (first, "1.0.0")]


def test_a_message_pushed_again_gets_a_grace_of_its_own(bench: Bench, looks: Looks) -> None:
    """A second loss of the same invocation is found like the first."""
    bench.submit()
    pop(bench)
    looks.after(0)
    assert looks.after(GRACE) == 1
    pop(bench)
    assert looks.after(1) == 0
    assert looks.after(GRACE - 2) == 0
    assert looks.after(2) == 1


def test_a_push_after_the_look_is_not_taken_for_lost(bench: Bench, looks: Looks) -> None:
    """What was pushed while the list was empty is newer than the mark."""
    looks.after(0)
    bench.submit()
    looks.after(0)
    pop(bench)
    later = bench.submit()
    assert looks.after(GRACE) == 0
    assert bench.sent() == [(later, "1.0.0")]


def test_many_lost_messages_are_found_at_once(bench: Bench, looks: Looks) -> None:
    """The batches of the script do not limit a looks."""
    job = bench.submit(max_in_flight=10_000)
    bench.start(job)
    for number in range(1, 11):
        tag, token = (f"{number}.1.0", "t") if number > 1 else ("1.0.0", "t")
        if number > 1:
            bench.start(job, tag, token)
        bench.commit(job, tag, token, emitted=[(1, 0, "")] * 4)
    jobs = [bench.submit() for _ in range(230)]
    outstanding = len(bench.unclaimed())
    assert outstanding > 230
    bench.forget_broker()
    looks.after(0)
    assert looks.after(GRACE) == outstanding
    assert len(bench.sent()) == outstanding
    assert len(jobs) == 230


def test_each_list_is_looked_at_on_its_own(bench: Bench, looks: Looks) -> None:
    """Numbers of different lists have nothing to do with each other."""
    lost, waiting = bench.submit(routine=2), bench.submit()
    bench.link.call("DEL", bench.other_list)
    looks.after(0)
    assert looks.after(GRACE) == 1
    assert bench.sent(bench.other_list) == [(lost, "1.2.0")]
    assert bench.sent() == [(waiting, "1.0.0")]


def test_a_paused_jobs_lost_message_is_parked(bench: Bench, looks: Looks) -> None:
    """It counts as found, and waits for the resume."""
    job = bench.submit()
    bench.pause(job)
    pop(bench)
    looks.after(0)
    assert looks.after(GRACE) == 1
    assert bench.parked(job) == ["1.0.0"]
    assert bench.sent() == []


def test_a_new_leader_starts_a_new_grace(bench: Bench) -> None:
    """What it has not seen itself it does not judge."""
    bench.submit()
    pop(bench)
    first, second = Looks(bench), Looks(bench)
    first.after(0)
    assert second.after(GRACE) == 0
    assert second.after(GRACE) == 1


def test_tasks_of_others_in_front_do_not_hide_ours(bench: Bench, looks: Looks) -> None:
    """On a shared list the oldest message of ours counts, wherever it is."""
    lost, waiting = bench.submit(), bench.submit()
    pop(bench)
    for _ in range(150):
        put_foreign(bench)
    looks.after(0)
    assert looks.after(GRACE) == 1
    assert [member.split("/")[0] for member in bench.unclaimed()] == [waiting, lost]


def test_a_list_with_tasks_of_others_only_has_none_of_ours(bench: Bench, looks: Looks) -> None:
    """Foreign tasks that wait all the time do not keep our lost messages from being found."""
    bench.submit()
    pop(bench)
    put_foreign(bench)
    looks.after(0)
    assert looks.after(GRACE) == 1


def test_a_long_row_of_foreign_tasks_leaves_it_open(bench: Bench, looks: Looks) -> None:
    """When the search was not to the end, nothing is called lost."""
    bench.submit()
    for _ in range(2500):
        put_foreign(bench)
    looks.after(0)
    assert looks.after(GRACE) == 0


def test_a_message_that_was_put_back_is_not_lost(bench: Bench, looks: Looks) -> None:
    """A worker that stops returns what it held; older numbers at the tail start a new grace."""
    bench.submit()
    bench.submit()
    item = bench.link.call("RPOP", bench.list)
    looks.after(0)
    bench.link.call("RPUSH", bench.list, item)
    assert [looks.after(GRACE), looks.after(GRACE)] == [0, 0]
    assert len(bench.sent()) == 2


def test_numbers_that_begin_anew_cause_no_flood(bench: Bench, looks: Looks) -> None:
    """An old message at the tail, from before the numbers were forgotten, multiplies nothing."""
    bench.link.call("HSET", bench.key("sequences"), bench.list, 5000)
    bench.store.control.cancel(bench.submit(), "")
    # What prune does when the last job has been forgotten.
    bench.link.call("DEL", bench.key("sequences"))
    for _ in range(150):
        bench.submit()
    looks.after(0)
    looks.after(GRACE)
    assert len(bench.sent()) <= 1 + 2 * 150


def test_what_a_live_worker_holds_back_is_not_lost(bench: Bench, looks: Looks) -> None:
    """A message that waits for a rate limit stays where it is, however many do, until its worker
    reports no more."""
    jobs = [bench.submit() for _ in range(120)]
    for _ in jobs:
        pop(bench)
    *held, lost = [f"{job}/1.0.0" for job in jobs]
    presence = Presence(bench.store, "w1", dict, lambda: held)
    presence.run_once()
    assert [looks.after(0), looks.after(GRACE)] == [0, 1]
    assert len(bench.sent()) == 1
    assert lost.partition("/")[0] in str(bench.sent())
    presence.withdraw()
    assert looks.after(GRACE) >= 119


def test_the_log_names_what_is_pushed_again(
    bench: Bench, looks: Looks, caplog: pytest.LogCaptureFixture
) -> None:
    """By the task, the place and the list; of many, the first twenty and how many more."""
    jobs = [bench.submit() for _ in range(23)]
    bench.forget_broker()
    looks.after(0)
    assert looks.after(GRACE) == 23
    assert len(caplog.messages) == 21
    named = f"pushed invocation {jobs[0]}-1 (1.0.0) again to {bench.list}: a worker took its"
    assert any(line.startswith(named) for line in caplog.messages)
    assert caplog.messages[-1] == f"pushed 3 more unclaimed invocations again to {bench.list}"
