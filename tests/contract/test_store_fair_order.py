"""Fair keys: keys take turns on a broker list, by weight, and nothing of theirs is lost."""

from __future__ import annotations

from collections import Counter

import pytest

from flowforge.model.limit import LimitSettings
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import Claim, NextClaim
from tests.contract.bench import LARGE, LONG, Bench
from tests.contract.schedule_bench import ScheduleBench
from tests.support.virtual_clock import VirtualClock

#: Messages in the broker until a leader knows better.
FEW = 8


def submit(bench: Bench, key: str, number: int = 1, weight: float = 1) -> list[str]:
    return [bench.submit(fair=f"{weight:g} {key}") for _ in range(number)]


def let_in(bench: Bench, most: int | None = None) -> None:
    while bench.store.fair_order.let_in(bench.list, most):
        pass


def work(bench: Bench, most: int = 1000) -> list[str]:
    """Claim and complete what is popped, one after the other; the jobs in their order."""
    ran: list[str] = []
    while len(ran) < most and (sent := bench.sent()):
        job, invocation = sent[0]
        bench.link.call("RPOP", bench.list)
        if isinstance(bench.claim(job, invocation), Claim):
            bench.commit(job, invocation)
            ran.append(job)
    return ran


def nothing_is_left(bench: Bench) -> None:
    let_in(bench)
    left = {key for key in bench.every_key() if ":fair" in key or ":turns:" in key}
    left |= {key for key in bench.every_key() if ":waits:" in key or ":entered:" in key}
    assert not left


def test_a_bounded_number_is_in_the_broker(bench: Bench) -> None:
    """The others wait, and count as queued."""
    jobs = submit(bench, "a", 12)
    assert [job for job, _ in bench.sent()] == jobs[:FEW]
    assert len(bench.unclaimed()) == FEW
    assert {bench.counters(job) for job in jobs} == {(1, 0, 0, 0)}
    (found,) = bench.store.fair_order.lists()
    assert (found.name, found.keys, found.entered, found.most) == (bench.list, 1, FEW, FEW)
    assert (found.waiting, found.first[0].key) == (4, "a")
    assert work(bench) == jobs
    nothing_is_left(bench)


def test_a_key_that_comes_has_its_turn_next(bench: Bench) -> None:
    """Behind what is in the broker already, whatever waits of another key."""
    many = submit(bench, "a", 40)
    let_in(bench, 2)
    assert work(bench, 20) == many[:20]
    assert len(bench.sent()) == 2
    (one,) = submit(bench, "b")
    ran = work(bench)
    assert ran.index(one) <= 3
    assert [job for job in ran if job != one] == many[20:]
    nothing_is_left(bench)


def test_keys_take_turns_by_weight(bench: Bench) -> None:
    """A weight of 3 has three turns for each one of the others."""
    names = {job: key for key in ("a", "b") for job in submit(bench, key, 40)}
    names |= dict.fromkeys(submit(bench, "c", 60, weight=3), "c")
    ran = [names[job] for job in work(bench, 88)][FEW:]
    counts = Counter(ran[:50])
    assert abs(counts["c"] - 30) <= 2
    assert abs(counts["a"] - 10) <= 2
    assert abs(counts["b"] - 10) <= 2


def test_new_keys_do_not_starve_one_that_waits(bench: Bench) -> None:
    """Keys that come all the time have their turns behind one that was there."""
    first = submit(bench, "a", 3 * FEW)
    late: list[str] = []
    while not late or first[-1] not in late:
        for number in range(2):
            submit(bench, f"new-{len(late)}-{number}")
        late += work(bench, 2)
        assert len(late) < 200


def test_plain_jobs_go_past_the_order(bench: Bench) -> None:
    """They have messages at once, and no key of the order is there for them."""
    plain = [bench.submit() for _ in range(20)]
    assert len(bench.sent()) == 20
    assert "v" in bench.row(plain[0])
    assert bench.row(plain[0])["v"] == "1"
    assert not bench.hash("fair_lists")
    (fair,) = submit(bench, "a")
    assert bench.row(fair)["v"] == "5"
    assert work(bench) == [*plain, fair]


def test_a_commit_hands_the_next_on(bench: Bench) -> None:
    """In the script in which it claims the one before."""
    jobs = submit(bench, "a")
    let_in(bench, 1)
    jobs += submit(bench, "a", 3)
    assert [job for job, _ in bench.sent()] == jobs[:1]
    bench.link.call("RPOP", bench.list)
    bench.start(jobs[0])
    assert [job for job, _ in bench.sent()] == jobs[1:2]
    answer, granted = bench.commit_then(NextClaim("t2", LONG, [bench.list], 0.0), jobs[0])
    assert granted is not None
    assert (answer, granted.job_id) == ("ok", jobs[1])
    assert [job for job, _ in bench.sent()] == jobs[2:3]


def test_what_a_job_emits_waits_behind_what_its_key_has(bench: Bench) -> None:
    """As on a broker list, first come first served."""
    (job, *others) = submit(bench, "a", FEW + 2)
    bench.link.call("RPOP", bench.list)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")])
    assert work(bench) == [*others, job]
    assert bench.status(job) == "completed"
    nothing_is_left(bench)


def test_a_child_job_has_the_key_of_its_parent(bench: Bench) -> None:
    """And its weight."""
    (job,) = submit(bench, "a", weight=2.5)
    bench.start(job)
    bench.commit(job, jobs=[bench.child()])
    assert bench.row("child")["fair"] == "2.5 a"
    assert bench.row("child")["v"] == "5"


@pytest.mark.parametrize("how", ["cancelled", "gone"])
def test_what_is_gone_leaves_no_gap(bench: Bench, how: str) -> None:
    """Many cancelled jobs of a key do not keep others from their turns, and nothing stays."""
    many = submit(bench, "a", 60)
    (one,) = submit(bench, "b")
    for job in many:
        if how == "cancelled":
            bench.store.control.cancel(job, "")
        else:
            bench.link.call("DEL", bench.key("job", job))
    ran = work(bench)
    lost = [(member.encode(), number) for member, number in bench.unclaimed().items()]
    bench.store.upkeep.resend(bench.list, lost)
    let_in(bench)
    assert ran + work(bench) == [one]
    nothing_is_left(bench)


def test_a_paused_job_keeps_its_work(bench: Bench) -> None:
    """When its turn comes it is parked, which takes no turn; the resume brings it back."""
    jobs = submit(bench, "a", FEW + 3)
    paused = jobs[-2]
    bench.pause(paused)
    assert bench.counters(paused) == (1, 0, 0, 0)
    assert work(bench) == [job for job in jobs if job != paused]
    assert bench.counters(paused) == (0, 0, 1, 0)
    bench.store.control.resume(paused)
    assert work(bench) == [paused]
    nothing_is_left(bench)


def test_a_failed_job_keeps_its_work(bench: Bench) -> None:
    """Until it is retried."""
    (job, *others) = submit(bench, "a", FEW)
    bench.link.call("RPOP", bench.list)
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (1, 0, ""), (1, 0, "")])
    assert work(bench, FEW - 1) == others
    bench.link.call("RPOP", bench.list)
    bench.start(job, "2.0.0")
    bench.fail(job, "2.0.0")
    work(bench)
    assert bench.counters(job)[0] == 0
    bench.store.control.retry(job)
    work(bench)
    assert bench.status(job) == "completed"
    nothing_is_left(bench)


def test_the_upkeep_counts_again(bench: Bench) -> None:
    """A message that is neither unclaimed nor put aside makes room, and the bound can change."""
    jobs = submit(bench, "a", 3 * FEW)
    for job in jobs[:3]:
        bench.link.call("ZREM", bench.key("unclaimed", bench.list), f"{job}/1.0.0")
    let_in(bench)
    assert len(bench.members("fair_entered", bench.list)) == FEW
    assert len(bench.sent()) == FEW + 3
    let_in(bench, FEW + 2)
    assert len(bench.members("fair_entered", bench.list)) == FEW + 2


def test_a_lost_message_keeps_its_place(bench: Bench) -> None:
    """It is pushed again at once, not behind all of its key."""
    jobs = submit(bench, "a", FEW + 5)
    bench.forget_broker()
    lost = [(f"{job}/1.0.0".encode(), bench.number(job)) for job in jobs[:2]]
    assert bench.store.upkeep.resend(bench.list, lost).counts == (2, 0, 0)
    assert [job for job, _ in bench.sent()] == jobs[:2]
    assert len(bench.members("fair_entered", bench.list)) == FEW


def test_a_class_that_is_not_known_gives_its_place_on(bench: Bench) -> None:
    """The next one comes into the broker."""
    jobs = submit(bench, "a", FEW + 1)
    assert bench.give_back(jobs[0], "1.0.0") == "ok"
    assert [job for job, _ in bench.sent()] == jobs


def test_a_paused_queue_lets_nothing_in(bench: Bench) -> None:
    """And goes on with the resume, in order."""
    jobs = submit(bench, "a", FEW)
    bench.store.queue_pauses.pause("q", [bench.list], "kim", "")
    jobs += submit(bench, "a", 3)
    assert work(bench) == []
    let_in(bench)
    assert len(bench.members("fair_entered", bench.list)) == FEW
    bench.store.queue_pauses.resume("q", [bench.list])
    assert work(bench) == jobs
    nothing_is_left(bench)


def test_many_at_once_are_shared_out(bench: Bench) -> None:
    """A call that creates many jobs fills the broker as one that creates one does."""
    many = [bench.submission(fair="1 a") for _ in range(30)]
    bench.store.submissions.submit(many[0].common, [one.job for one in many], bench.fields())
    assert len(bench.sent()) == FEW
    assert work(bench) == [one.job_id for one in many]
    nothing_is_left(bench)


def test_what_waits_can_be_mended(bench: Bench) -> None:
    """It is idle: an operator edits it, or skips it."""
    jobs = submit(bench, "a", FEW + 2)
    assert bench.edit(jobs[-1], "1.0.0", b"new") == "ok"
    assert bench.skip(jobs[-1], "1.0.0") == "ok"
    assert bench.status(jobs[-1]) == "completed"
    assert bench.edit(jobs[0], "1.0.0", b"new") == "queued"
    assert work(bench) == jobs[:-1]
    nothing_is_left(bench)


def test_a_damaged_job_keeps_none_from_its_turn(bench: Bench) -> None:
    """It is told of, and passed over."""
    jobs = submit(bench, "a", FEW + 3)
    bench.link.call("DEL", bench.key("job", jobs[-2]))
    bench.link.call("SET", bench.key("job", jobs[-2]), "broken")
    assert work(bench) == [*jobs[:-2], jobs[-1]]
    assert any("fair" in text for text in bench.hash("damaged"))
    nothing_is_left(bench)


def test_each_priority_has_turns_of_its_own(bench: Bench) -> None:
    """A key with much work of one priority does not hold up its work of another."""
    urgent, list_of_later = submit(bench, "a", FEW + 2), f"{bench.list}-3"
    later = [
        bench.submit(fair=f"1 {key}", priority=3, suffix="-3") for key in ["a"] * (FEW + 2) + ["b"]
    ]
    assert [job for job, _ in bench.sent()] == urgent[:FEW]
    assert [job for job, _ in bench.sent(list_of_later)] == later[:FEW]
    assert bench.store.fair_order.names() == sorted([bench.list, list_of_later])
    assert work(bench) == urgent
    assert bench.store.fair_order.state_of(list_of_later, "b").before == 1


def test_jobs_on_several_queues_wait_on_each(bench: Bench) -> None:
    """What a routine on another queue does takes the turns of that queue."""
    jobs = submit(bench, "a", FEW + 1)
    for job in jobs[:-1]:
        bench.link.call("RPOP", bench.list)
        bench.start(job)
        bench.commit(job, emitted=[(2, 0, "")] * 2)
    on_other = bench.store.fair_order.state_of(bench.other_list, "a")
    assert len(bench.sent(bench.other_list)) == FEW
    assert on_other.waiting == 2 * FEW - FEW
    assert [job for job, _ in bench.sent()] == jobs[-1:]


def test_a_detached_job_has_the_key_of_the_one_that_starts_it(bench: Bench) -> None:
    """One that is started with a key of its own keeps that."""
    (job,) = submit(bench, "a", weight=2.5)
    bench.start(job)
    detached = bench.child("detached", waiter=b"")
    bench.commit(job, jobs=[detached, bench.child("own", waiter=b"", fair="1 b")])
    assert (bench.row("detached")["fair"], bench.row("own")["fair"]) == ("2.5 a", "1 b")


def test_a_retry_waits_for_a_turn_of_its_key(bench: Bench) -> None:
    """Also of an invocation that is put off, and of one whose worker is lost."""
    jobs = submit(bench, "a", 3 * FEW)
    for _ in jobs[:2]:
        bench.link.call("RPOP", bench.list)
    bench.start(jobs[0])
    bench.retry_later(jobs[0])
    bench.make_due()
    bench.store.upkeep.release_due(10)
    bench.start(jobs[1], lease=1)
    bench.link.call("ZADD", bench.key("leases"), 1, f"{jobs[1]}/1.0.0/t")
    assert bench.reclaim(3, 10) == (1, 0, 0)
    assert bench.store.fair_order.state_of(bench.list, "a").waiting == 2 * FEW
    assert work(bench) == [*jobs[2:], *jobs[:2]]
    nothing_is_left(bench)


@LARGE
def test_a_thousand_cancelled_jobs_take_few_turns(bench: Bench) -> None:
    """Eight of them pass for each turn of another key, in calls that look at a bounded number."""
    let_in(bench, 1)
    many = [bench.submission(fair="1 a") for _ in range(1000)]
    bench.store.submissions.submit(many[0].common, [one.job for one in many], bench.fields())
    for one in many:
        bench.store.control.cancel(one.job_id, "")
    others = submit(bench, "b", 20)
    assert work(bench) == others
    let_in(bench)
    nothing_is_left(bench)


def test_a_schedule_without_the_field_starts_jobs(bench: Bench) -> None:
    """One that an earlier release has saved: its jobs have no fair key."""
    made = ScheduleBench(bench)
    assert made.save() is Answer.OK
    bench.link.call("HDEL", bench.key("schedule", "s"), "fair")
    _, job = made.scripts.trigger("s", bench.submission().job_id, "", "anna")
    assert (bench.row(job)["v"], "fair" in bench.row(job)) == ("1", False)


def test_what_has_waited_for_a_limit_is_the_next_of_its_key(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """It holds a place meanwhile, so it does not wait behind the other work of its key too."""
    bench = timed_bench
    bench.store.limits.declare("api", LimitSettings(running=1), None)
    limited = [bench.submission(mode="L3 api", fair="1 a", definition="limited") for _ in range(3)]
    for one in limited:
        bench.send(one, {**bench.fields(), "uses": "l"})
    clock.advance(seconds=1)
    others = submit(bench, "a", 3 * FEW) + submit(bench, "b", 2)
    first, second, third = [one.job_id for one in limited]
    assert work(bench, 1) == [first]
    ran = work(bench)
    assert ran.index(second) <= FEW + 2
    assert ran.index(third) - ran.index(second) <= FEW + 2
    assert [job for job in ran if job in others[: 3 * FEW]] == others[: 3 * FEW]
    assert len(ran) == len(others) + 2
    nothing_is_left(bench)
