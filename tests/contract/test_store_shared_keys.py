"""Something else in place of a key that jobs share: it is moved aside and told, and jobs go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import Claim
from tests.contract import keyed, limit_work
from tests.contract.asking import answer, expected, expecting
from tests.contract.bench import Bench
from tests.contract.schedule_bench import ScheduleBench
from tests.support.virtual_clock import VirtualClock

#: Keys of limits, each of one key of a limit or of all.
OF_LIMITS = [
    ("limit_places", "api"), ("limit_waiters", "api"), ("limit_state", "api"),
    ("limit_keys", ""), ("limit_promises", ""), ("limit_number", ""),
]  # fmt: skip
OF_FAIR_ORDER = [("fair_lists", ""), ("fair_turns", None), ("fair_entered", None)]


def put_wrong(bench: Bench, name: str, argument: str = "") -> None:
    """A list, which none of these keys is."""
    bench.link.call("DEL", bench.key(name, argument))
    bench.link.call("RPUSH", bench.key(name, argument), "by hand")


def damaged(bench: Bench) -> list[str]:
    return [text.decode() for text in bench.link.call("HKEYS", bench.key("damaged"))]


def moved_aside(bench: Bench, name: str, argument: str = "") -> bool:
    """What lay there is kept for a while."""
    rest = bench.key(name, argument).removeprefix(f"{bench.prefix}:")
    aside = bench.key("aside", rest)
    assert bench.link.call("LRANGE", aside, 0, -1) == [b"by hand"]
    assert bench.link.call("PTTL", aside) > 0
    return any(
        text.startswith(f"keys {rest}: held something of another type") for text in damaged(bench)
    )


def ends(bench: Bench) -> Iterator[tuple[str, Callable[[str], object]]]:
    yield "completed", lambda job: (bench.start(job), bench.commit(job))
    yield "failed", lambda job: (bench.start(job), bench.fail(job))
    yield "cancelled", lambda job: bench.store.control.cancel(job, "")


@pytest.mark.attack(what="Another program's value in place of the key of one job at a time")
def test_jobs_of_a_single_key_end_and_start(timed_bench: Bench, clock: VirtualClock) -> None:
    """Whatever ends them; the one that waits has its turn when it is looked at."""
    bench = timed_bench
    for status, end in ends(bench):
        first, second = (keyed.call(bench, single="k", when_running="queue").job_id for _ in "ab")
        put_wrong(bench, "single", "k")
        end(first)
        assert bench.row(first)["status"] == status
        assert moved_aside(bench, "single", "k")
        clock.advance(milliseconds=61_000)
        bench.store.upkeep.release_due(10)
        assert "held" not in bench.row(second)
        keyed.run(bench, second)


@pytest.mark.attack(what="Another program's value in place of a debounce key")
def test_jobs_of_a_debounce_key_end_and_start(timed_bench: Bench) -> None:
    """A call makes a job; one that waits ends."""
    first = keyed.call(timed_bench, debounce="k").job_id
    put_wrong(timed_bench, "debounce", "k")
    assert keyed.call(timed_bench, debounce="k").how == "created"
    assert moved_aside(timed_bench, "debounce", "k")
    put_wrong(timed_bench, "debounce", "k")
    assert timed_bench.store.control.cancel(first, "") is Answer.OK
    assert timed_bench.row(first)["status"] == "cancelled"


@pytest.mark.attack(what="Another program's value in place of a key of a limit")
@pytest.mark.parametrize(("name", "argument"), OF_LIMITS)
@pytest.mark.parametrize("when", ["before a claim", "before a commit", "before a look"])
def test_jobs_at_a_limit_go_on(
    timed_bench: Bench, clock: VirtualClock, name: str, argument: str, when: str
) -> None:
    """None hangs between two transitions, and all of them run."""
    bench = timed_bench
    limit_work.declare(bench, running=1, rate=1000)
    first, second = limit_work.submit(bench), limit_work.submit(bench)
    if when == "before a claim":
        put_wrong(bench, name, argument)
    bench.start(first)
    if when == "before a commit":
        put_wrong(bench, name, argument)
    assert bench.commit(first) == "ok"
    if when == "before a look":
        put_wrong(bench, name, argument)
    assert bench.row(first)["status"] == "completed"
    left = {second, limit_work.submit(bench)}
    # With the key of what waits at a limit, what waited is gone too.
    for _ in range(0 if name == "limit_waiters" else 4):
        clock.advance(seconds=6)
        for job in left.copy():
            if isinstance(bench.claim(job, "1.0.0"), Claim):
                assert bench.commit(job) == "ok"
                left.remove(job)
    assert not left or name == "limit_waiters"


@pytest.mark.attack(what="Another program's value in place of what is in force at limits")
def test_nothing_starts_without_what_is_in_force(bench: Bench) -> None:
    """What an operator has set may be less than what the code says: jobs wait, and go on."""
    limit_work.declare(bench, running=1)
    running, job = limit_work.submit(bench), limit_work.submit(bench)
    bench.start(running)
    kept = bench.key("limits")
    bench.link.call("RENAME", kept, f"{kept}-before")
    bench.link.call("RPUSH", kept, "by hand")
    assert bench.commit(running) == "ok"
    assert limit_work.waiting(bench) == [job]
    assert any("limits api: " in text for text in damaged(bench))
    bench.link.call("RENAME", f"{kept}-before", kept)
    bench.store.limits.let_in(["api"])
    limit_work.finish(bench, job)


@pytest.mark.attack(what="Another program's value in place of a key of the fair order")
@pytest.mark.parametrize(("name", "argument"), OF_FAIR_ORDER)
def test_jobs_with_fair_keys_go_on(bench: Bench, name: str, argument: str | None) -> None:
    """What has a message runs, and what comes later."""
    of = bench.list if argument is None else argument
    first, second = (bench.submit(fair="1 a") for _ in "ab")
    put_wrong(bench, name, of)
    bench.start(first)
    assert bench.commit(first) == "ok"
    assert moved_aside(bench, name, of)
    for job in (second, bench.submit(fair="1 a")):
        bench.start(job)
        assert bench.commit(job) == "ok"


@pytest.mark.attack(what="Another program's value in place of the lists of open answers")
@pytest.mark.parametrize(
    ("name", "argument"), [("open_expectations", ""), ("assigned", "ops"), ("assignees", "")]
)
def test_what_expects_an_answer_goes_on(bench: Bench, name: str, argument: str) -> None:
    """An answer is delivered, and one is expected."""
    job = expecting(bench, expected("a", assign="ops"))
    put_wrong(bench, name, argument)
    answer(bench, job, "a")
    assert moved_aside(bench, name, argument)
    put_wrong(bench, name, argument)
    answer(bench, expecting(bench, expected("a", assign="ops")), "a")


@pytest.mark.attack(what="Another program's value in place of the groups of errors")
@pytest.mark.parametrize("name", ["error_groups", "error_group"])
def test_a_job_fails_with_its_error(bench: Bench, name: str) -> None:
    """And the next one is counted."""
    first, second = bench.submit(), bench.submit()
    bench.start(first)
    bench.fail(first)
    (group,) = bench.members("error_groups")
    put_wrong(bench, name, group if name == "error_group" else "")
    bench.start(second)
    bench.fail(second)
    assert bench.row(second)["status"] == "failed"
    assert moved_aside(bench, name, group if name == "error_group" else "")


@pytest.mark.attack(what="Another program's value in place of the index of a label")
def test_a_job_has_its_label(bench: Bench) -> None:
    """It is created whole, and found by it."""
    put_wrong(bench, "label", "k=v")
    job = bench.submit(labels="k=v")
    assert moved_aside(bench, "label", "k=v")
    assert list(bench.members("label", "k=v")) == [job]
    bench.start(job)
    assert bench.commit(job) == "ok"


@pytest.mark.attack(what="Another program's value in place of a key of a schedule")
@pytest.mark.parametrize("name", ["schedule_jobs", "schedule_history", "schedule_waiting"])
def test_a_schedule_goes_on(timed_bench: Bench, clock: VirtualClock, name: str) -> None:
    """It starts a job for each time, once."""
    schedule = ScheduleBench(timed_bench)
    schedule.save()
    put_wrong(timed_bench, name, "s")
    for number in (1, 2):
        clock.advance(hours=1)
        assert len(schedule.jobs()) == number
        for job in schedule.jobs():
            if timed_bench.row(job)["status"] != "completed":
                schedule.finish(job)
