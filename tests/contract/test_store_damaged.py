"""Damaged members of the indexes: they are passed over and told, and others have their turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowforge.worker.upkeep.damage import Damage
from flowforge.worker.upkeep.resender import Resender
from tests.contract.bench import Bench

#: Members that were never written by a script; ``{}`` is the id of a job that goes on.
TIMERS = [
    "garbage", "", "/", "no-job/zz", "{}/zz", "{}/join/zz", "{}/join/5 0.0", "{}/children/zz",
    "{}/7.7.7", "{}/1.0.1",
]  # fmt: skip
LEASES = ["garbage", "", "{}/zz/t", "{}/7.7.7/t", "{}/1.7.7/t"]
UNCLAIMED = ["garbage", "", "{}/zz", "{}/7.7.7", "{}/1.9.9"]


def told(bench: Bench) -> list[str]:
    texts = bench.link.call("HKEYS", bench.key("damaged"))
    return sorted(text.decode(errors="replace") for text in texts)


def a_due_timer(bench: Bench) -> str:
    job = bench.submit()
    bench.start(job)
    bench.retry_later(job, delay=-1)
    return job


def a_lost_lease(bench: Bench) -> str:
    job = bench.submit()
    bench.start(job, lease=-1)
    return job


@pytest.mark.attack(what="A malformed member in the index of timers")
@pytest.mark.parametrize("member", TIMERS)
def test_a_damaged_timer_is_dropped(bench: Bench, member: str) -> None:
    """The timer behind it is released; the job that the member names is not changed."""
    behind, named = a_due_timer(bench), bench.submit()
    bench.start(named)
    before = bench.counters(named)
    poison = member.format(named)
    bench.link.call("ZADD", bench.key("timers"), 0, poison)
    bench.store.upkeep.release_due(10)
    assert bench.counters(behind) == (1, 0, 0, 0)
    assert bench.counters(named) == before
    assert bench.members("timers") == {}
    (text,) = told(bench)
    assert text.startswith(f"timers {poison}: ")


@pytest.mark.attack(what="A malformed member in the index of leases")
@pytest.mark.parametrize("member", LEASES)
def test_a_damaged_lease_is_dropped(bench: Bench, member: str) -> None:
    """The lease behind it is taken back; the job that the member names is not changed."""
    behind, named = a_lost_lease(bench), bench.submit()
    before = bench.counters(named)
    poison = member.format(named)
    bench.link.call("ZADD", bench.key("leases"), 0, poison)
    assert bench.reclaim(9, 10) == (1, 0, 1)
    assert bench.counters(behind) == (1, 0, 0, 0)
    assert (bench.counters(named), bench.status(named)) == (before, "pending")
    assert bench.members("leases") == {}
    assert [text.partition(":")[0] for text in told(bench)] == [f"leases {poison}"]


@pytest.mark.attack(what="A malformed member in the index of unclaimed messages")
@pytest.mark.parametrize("member", UNCLAIMED)
def test_a_damaged_unclaimed_message_is_dropped(bench: Bench, member: str) -> None:
    """The lost message behind it is pushed again."""
    behind, named = bench.submit(), bench.submit()
    bench.forget_broker()
    poison = member.format(named).encode()
    lost: list[tuple[bytes, int | bytes]] = [
        (poison, b"-5.5"),
        (f"{behind}/1.0.0".encode(), bench.number(behind)),
    ]
    bench.link.call("ZADD", bench.key("unclaimed", bench.list), -5.5, poison)
    assert bench.store.upkeep.resend(bench.list, lost).counts == (1, 0, 1)
    assert bench.sent() == [(behind, "1.0.0")]
    assert bench.counters(named) == (1, 0, 0, 0)
    assert [text.partition(":")[0] for text in told(bench)] == [f"unclaimed {poison.decode()}"]


def test_a_lease_that_a_failed_job_never_gave_is_dropped(bench: Bench) -> None:
    """What the job keeps for its retry is its own work alone."""
    job = bench.submit()
    bench.start(job)
    bench.fail(job)
    bench.link.call("ZADD", bench.key("leases"), 0, f"{job}/7.0.0/t")
    assert bench.reclaim(9, 10) == (0, 0, 1)
    assert bench.parked(job) == ["1.0.0"]
    assert bench.counters(job) == (0, 0, 1, 0)


def a_push_by_a_commit(bench: Bench) -> Callable[[], object]:
    job = bench.submit()
    bench.start(job)
    return lambda: bench.commit(job, emitted=[(2, 0, "")]) == "ok"


def a_push_by_a_timer(bench: Bench) -> Callable[[], object]:
    job = bench.submit(routine=2)
    bench.start(job, "1.2.0")
    bench.retry_later(job, "1.2.0", delay=-1000)
    return lambda: bench.store.upkeep.release_due(10) == 1


def a_push_by_a_resume(bench: Bench) -> Callable[[], object]:
    job = bench.submit(routine=2)
    bench.pause(job)
    assert bench.claim(job, "1.2.0") == "paused"
    return lambda: bench.store.control.resume(job) == "ok"


@pytest.mark.attack(what="A key of a wrong type in place of a queue's list")
@pytest.mark.parametrize("prepare", [a_push_by_a_commit, a_push_by_a_timer, a_push_by_a_resume])
def test_what_cannot_be_pushed_is_pushed_later(
    server_bench: Bench, prepare: Callable[[Bench], Callable[[], object]]
) -> None:
    """The script completes; the message is pushed when the key has been deleted."""
    bench = server_bench
    act = prepare(bench)
    bench.link.call("DEL", bench.other_list)
    bench.link.call("SET", bench.other_list, "x")
    assert act()
    ((member, number),) = bench.unclaimed(bench.other_list).items()
    job, _, invocation = member.partition("/")
    assert bench.counters(job) == (1, 0, 0, 0)
    bench.link.call("DEL", bench.other_list)
    assert bench.store.upkeep.resend(bench.other_list, [(member.encode(), number)]).counts == (
        1,
        0,
        0,
    )
    assert bench.sent(bench.other_list) == [(job, invocation)]
    bench.start(job, invocation)
    assert bench.commit(job, invocation) == "ok"
    assert bench.status(job) == "completed"


def damage_row(bench: Bench, job: str) -> None:
    bench.link.call("HSET", bench.key("job", job), "queued", "junk", "running", "junk")


def damage_template(bench: Bench, job: str) -> None:
    name = bench.row(job)["def"]
    for routine in range(3):
        bench.link.call("HSET", bench.key("definition", name), f"m{routine}.0", "%s" * 40)


def damage_history(bench: Bench, job: str) -> None:
    bench.link.call("DEL", bench.key("history", job))
    bench.link.call("SET", bench.key("history", job), "x")


@pytest.mark.attack(what="A job whose keys are damaged, with a timer")
@pytest.mark.parametrize("damage", [damage_row, damage_template])
def test_the_timer_of_a_damaged_job_is_put_off(
    bench: Bench, damage: Callable[[Bench, str], None]
) -> None:
    """The timer is kept and can fire after a repair; the timers behind it are released."""
    first = bench.submit(definition="damaged")
    bench.start(first)
    bench.retry_later(first, delay=-1000)
    behind = a_due_timer(bench)
    damage(bench, first)
    bench.store.upkeep.release_due(10)
    assert bench.counters(behind) == (1, 0, 0, 0)
    ((member, due),) = bench.members("timers").items()
    assert member == f"{first}/1.0.0"
    assert due > bench.now()
    (text,) = told(bench)
    assert text.startswith(f"timers {member}: ")


@pytest.mark.attack(what="A job whose keys are damaged, with a lost claim")
@pytest.mark.parametrize("damage", [damage_row, damage_template, damage_history])
def test_the_lease_of_a_damaged_job_is_put_off(
    bench: Bench, damage: Callable[[Bench, str], None]
) -> None:
    """The claim is kept for a repair; the lost claims behind it are taken back."""
    first = bench.submit(definition="damaged")
    bench.start(first, lease=-1000)
    behind = a_lost_lease(bench)
    damage(bench, first)
    assert bench.reclaim(9, 10) == (1, 0, 0)
    assert bench.counters(behind) == (1, 0, 0, 0)
    ((member, due),) = bench.members("leases").items()
    assert member == f"{first}/1.0.0/t"
    assert due > bench.now()


@pytest.mark.attack(what="A job whose keys are damaged, with a lost message")
@pytest.mark.parametrize("damage", [damage_row, damage_template])
def test_the_message_of_a_damaged_job_is_put_off(
    bench: Bench, damage: Callable[[Bench, str], None]
) -> None:
    """The message is postponed; the lost messages of other jobs are pushed again."""
    first, behind = bench.submit(definition="damaged"), bench.submit()
    bench.forget_broker()
    damage(bench, first)
    lost = [(member.encode(), number) for member, number in bench.unclaimed().items()]
    assert bench.store.upkeep.resend(bench.list, lost).counts == (1, 0, 0)
    assert bench.sent() == [(behind, "1.0.0")]
    assert f"{first}/1.0.0" in bench.unclaimed()


@pytest.mark.attack(what="An expired job with keys of a wrong type")
def test_a_damaged_job_does_not_keep_others_from_being_forgotten(bench: Bench) -> None:
    """Other expired jobs are removed from the indexes all the same."""
    jobs = [bench.submit() for _ in range(2)]
    for job in jobs:
        bench.start(job)
        bench.fail(job)
        bench.link.call("DEL", bench.key("job", job))
        bench.link.call("ZADD", bench.key("expiry"), 0, job)
    first = min(jobs)
    bench.link.call("DEL", bench.key("invocations", first))
    bench.link.call("SET", bench.key("invocations", first), "x")
    bench.link.call("ZADD", bench.key("expiry"), 0, "garbage")
    bench.store.upkeep.prune(10)
    assert set(bench.members("expiry")) == {first}
    assert max(jobs) not in bench.members("status", "failed")


@pytest.mark.attack(what="A deletion that names nothing, or a key of a wrong type")
def test_damaged_deletions_are_dropped(bench: Bench) -> None:
    """It is dropped, and the other deletions are done."""
    bench.link.call("SET", bench.key("deleted", "j:x:i"), "no hash")
    bench.link.call("HSET", bench.key("deleted", "j:y:i"), "a", "1")
    bench.link.call("RPUSH", bench.key("deletions"), "garbage", "j:x:i", "j:y:i")
    while bench.store.upkeep.delete(10):
        pass
    assert bench.every_key() == {bench.key("damaged")}


def test_damage_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """With what it was and why; and is forgotten by the server after a while."""
    duty = Damage(bench.store)
    assert duty.run_once() == 0
    for _ in range(2):
        bench.link.call("ZADD", bench.key("timers"), 0, "\x1b[31mred")
        bench.store.upkeep.release_due(10)
    assert duty.run_once() == 1
    assert duty.run_once() == 0
    assert caplog.messages == [r"damaged data was passed over: 'timers \x1b[31mred: no timer'"]
    assert bench.hash("damaged") == {"timers \x1b[31mred: no timer": b"2"}
    assert bench.link.call("PTTL", bench.key("damaged")) > 0


@pytest.mark.attack(what="A flood of malformed members")
def test_a_flood_of_damage_does_not_fill_the_server(bench: Bench) -> None:
    """A bounded number of members is recorded; the rest is only counted."""
    flood = [part for number in range(1100) for part in (0, f"x{number}")]
    bench.link.call("ZADD", bench.key("timers"), *flood)
    bench.store.upkeep.release_due(2000)
    found = bench.hash("damaged")
    assert len(found) == 1001
    assert found["others"] == b"100"
    assert bench.members("timers") == {}


@pytest.mark.attack(what="A push number of a list that does not exist")
@pytest.mark.parametrize(
    ("name", "number"), [(b"aaa", b"junk"), (b"\xff", b"1"), (b"{prefix}:workers", b"3")]
)
def test_a_damaged_number_of_a_list_does_not_stop_the_resending(
    server_bench: Bench, name: bytes, number: bytes
) -> None:
    """The lists of the other queues are searched for lost messages all the same."""
    bench = server_bench
    name = name.replace(b"{prefix}", bench.prefix.encode())
    bench.link.call("HSET", bench.key("workers"), "w", "x")
    bench.link.call("HSET", bench.key("sequences"), name, number)
    job = bench.submit()
    bench.forget_broker()
    assert Resender(bench.store, grace=0.0).run_once() == 1
    assert bench.sent() == [(job, "1.0.0")]
    assert len(told(bench)) == 1


def test_numbers_of_a_list_go_on_behind_the_highest(server_bench: Bench) -> None:
    """A number that cannot be read keeps new work from the list, so it is mended."""
    bench = server_bench
    jobs = [bench.submit() for _ in range(3)]
    highest = bench.number(jobs[-1])
    bench.link.call("HSET", bench.key("sequences"), bench.list, "junk")
    Resender(bench.store, grace=0.0).run_once()
    jobs.append(bench.submit())
    assert list(bench.unclaimed()) == [f"{job}/1.0.0" for job in jobs]
    assert bench.number(jobs[-1]) > highest
