"""Jobs that handlers start: created by the commit, awaited by an invocation, reached by control."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flowforge.store.transitions.claims import NextClaim
from tests.contract.bench import LARGE, LONG, WAITER, Bench
from tests.contract.child_jobs import WAITS, cancel, complete, fail, parent_of_one, queued, upkeep
from tests.support.eventually import eventually


def test_a_commit_creates_the_job_and_what_waits_for_it(bench: Bench) -> None:
    """The child runs on its own; what waits for it is neither queued nor parked."""
    parent = parent_of_one(bench)
    assert queued(bench, "child") == {"1.0.0"}
    assert bench.status("child") == "pending"
    assert bench.hash("children", parent) == {"child": WAITS.encode()}
    assert bench.hash("invocations", parent) == {WAITS: WAITER}
    assert bench.counters(parent) == (0, 0, 0, 0)
    assert bench.status(parent) == "running"
    assert bench.hash("definition", "def-child")["active"] == b"1"


def test_a_child_takes_over_what_it_is_not_given(bench: Bench) -> None:
    """Priority, with its lists, and window of the job that starts it; each alone."""
    parent = bench.submit(priority=3, suffix="\x06\x163", max_in_flight=7)
    bench.start(parent)
    jobs = [
        bench.child("heir", priority=None, max_in_flight=None),
        bench.child("urgent", priority=0, suffix="", max_in_flight=None),
        bench.child("narrow", priority=None, max_in_flight=2),
    ]
    assert bench.commit(parent, jobs=jobs) == "ok"
    found = {job: bench.row(job) for job in ("heir", "urgent", "narrow")}
    assert {job: (row["priority"], row["window"]) for job, row in found.items()} == {
        "heir": ("3", "7"), "urgent": ("0", "7"), "narrow": ("3", "2"),
    }  # fmt: skip
    assert {job for job, _ in bench.sent(bench.list + "\x06\x163")} >= {"heir", "narrow"}
    assert {job for job, _ in bench.sent()} == {"urgent"}


def test_a_commit_that_is_refused_creates_nothing(bench: Bench) -> None:
    """Neither a stale token nor a repetition starts a job, let alone a second one."""
    parent = bench.submit()
    bench.start(parent)
    before = bench.snapshot()
    assert bench.commit(parent, token="guess", jobs=[bench.child()]) == "stale"
    assert bench.snapshot() == before
    assert bench.commit(parent, jobs=[bench.child()]) == "ok"
    before = bench.snapshot()
    assert bench.commit(parent, jobs=[bench.child()]) == "done"
    assert bench.snapshot() == before


def test_a_job_that_has_ended_starts_none(bench: Bench) -> None:
    """What ran for a cancelled job has no effect."""
    parent = bench.submit()
    bench.start(parent)
    bench.store.control.cancel(parent, "")
    assert bench.commit(parent, jobs=[bench.child()]) == "dropped"
    assert bench.hash("job", "child") == {}


@pytest.mark.parametrize("end", [complete, fail, cancel])
def test_the_end_of_a_child_is_told_once(bench: Bench, end: Callable[[Bench, str], None]) -> None:
    """However it ends: what waits for it may run, and the parent ends after that."""
    parent = parent_of_one(bench)
    end(bench, "child")
    assert queued(bench, parent) == {WAITS}
    assert bench.hash("children", parent) == {}
    assert bench.start(parent, WAITS, "w").record == WAITER
    bench.store.control.cancel("child", "")
    bench.store.control.retry("child")
    assert queued(bench, parent) == set()
    assert bench.commit(parent, WAITS, "w") == "ok"
    assert bench.status(parent) == "completed"


def test_a_child_may_end_when_it_is_created(bench: Bench) -> None:
    """A join that can never be filled fails it at once; the parent's counters stay right."""
    parent = bench.submit()
    bench.start(parent)
    doomed = bench.child(joins="1.0 count 0 fail 0\n", routine=1, mode="j2:")
    bench.commit(parent, emitted=[(0, 1, "")], jobs=[doomed])
    assert bench.status("child") == "failed"
    assert queued(bench, parent) == {"2.0.1", "3.0.99999"}
    assert bench.counters(parent) == (2, 0, 0, 0)
    for invocation in ("2.0.1", "3.0.99999"):
        bench.start(parent, invocation, invocation)
        bench.commit(parent, invocation, invocation)
    assert bench.status(parent) == "completed"
    assert bench.counters(parent) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("mode", "invocation"), [("", "1.0.0"), ("m", "1.0.0.1"), ("j0:", "1.0.0"), ("j1:", "1.0.0")]
)
def test_a_commit_may_go_on_with_the_job_that_it_starts(
    bench: Bench, mode: str, invocation: str
) -> None:
    """Whatever its entry is: what the commit counts of the new job is counted once."""
    parent = bench.submit()
    bench.start(parent)
    bench.forget_broker()
    joins = f"0.0 {'count' if mode == 'j1:' else 'all'} 0 fail -\n" if mode[:1] == "j" else ""
    child = bench.child(mode=mode, joins=joins)
    answer, granted = bench.commit_then(
        NextClaim("n", LONG, [bench.list], 0.0), parent, jobs=[child]
    )
    assert answer == "ok"
    assert granted is not None
    assert (granted.job_id, granted.invocation) == ("child", invocation)
    assert bench.counters("child") == (0, 1, 0, 0)
    assert bench.status("child") == "running"
    assert bench.commit("child", invocation, "n") == "ok"
    assert bench.status("child") == "completed"
    assert queued(bench, parent) == {WAITS}


def test_a_join_waits_for_jobs_that_were_started_above(bench: Bench) -> None:
    """What waits for a child may still deliver."""
    parent = bench.submit("1.0 all 0 fail 0\n")
    bench.start(parent)
    bench.commit(parent, emitted=[(1, 0, "j0:")], jobs=[bench.child()])
    waits = bench.hash("children", parent)["child"].decode()
    complete(bench, "child")
    bench.start(parent, waits, "w")
    assert not [
        invocation for invocation in bench.invocations(parent) if invocation.endswith(".1.0")
    ]
    bench.commit(parent, waits, "w", emitted=[(1, 0, "j0:")])
    (invocation,) = bench.invocations(parent)
    assert bench.hash("invocations", parent)[invocation] == b"J2 "


# --- what happens to the parent --------------------------------------------------------------


def pause(bench: Bench, parent: str) -> None:
    bench.pause(parent)


def fail_beside(bench: Bench, parent: str) -> None:
    """Fail the parent by an invocation that has nothing to do with the child."""
    bench.start(parent, "2.0.1", "b")
    bench.fail(parent, "2.0.1", "b")


def stopped_family(bench: Bench, stop: Callable[[Bench, str], None]) -> str:
    """A parent that was stopped, and the claim of its child refused for it."""
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, emitted=[(0, 1, "")], jobs=[bench.child()])
    stop(bench, parent)
    assert bench.claim("child", "1.0.0", "c") == "paused"
    assert bench.counters("child") == (0, 0, 1, 0)
    return parent


@pytest.mark.parametrize(("stop", "go_on"), [(pause, "resume"), (fail_beside, "retry")])
def test_a_child_stands_still_with_its_parent(
    bench: Bench, stop: Callable[[Bench, str], None], go_on: str
) -> None:
    """No handler of it starts while the parent is paused or failed; then it goes on."""
    parent = stopped_family(bench, stop)
    upkeep(bench)
    assert bench.counters("child") == (0, 0, 1, 0)
    assert getattr(bench.store.control, go_on)(parent) == "ok"
    upkeep(bench)
    assert bench.counters("child") == (1, 0, 0, 0)
    complete(bench, "child")
    assert bench.status("child") == "completed"
    assert "3.0.99999" in queued(bench, parent)


def test_a_grandchild_stands_still_as_well(bench: Bench) -> None:
    """Pause and resume reach every generation."""
    parent = parent_of_one(bench)
    bench.start("child", "1.0.0", "c")
    bench.commit("child", "1.0.0", "c", jobs=[bench.child("grandchild")])
    bench.pause(parent)
    assert bench.claim("grandchild", "1.0.0", "g") == "paused"
    bench.store.control.resume(parent)
    upkeep(bench)
    complete(bench, "grandchild")
    assert bench.status("grandchild") == "completed"


@pytest.mark.parametrize(("stop", "go_on"), [(pause, "resume"), (fail_beside, "retry")])
@pytest.mark.parametrize("otherwise", ["fail", "fire"])
@pytest.mark.parametrize("seen", [True, False])
def test_a_childs_joins_are_not_late_while_its_parent_stands_still(
    bench: Bench, stop: Callable[[Bench, str], None], go_on: str, otherwise: str, seen: bool
) -> None:
    """They have their whole time when it goes on, whether or not the upkeep saw them be late."""
    parent = bench.submit()
    bench.start(parent)
    joins = f"1.0 count {LONG} {otherwise} 0\n"
    bench.commit(parent, emitted=[(0, 1, "")], jobs=[bench.child(joins=joins)])
    bench.start("child", "1.0.0", "c")
    bench.commit("child", "1.0.0", "c", emitted=[(1, 0, "j2:"), (0, 0, "")])
    stop(bench, parent)
    bench.make_due()
    if seen:
        upkeep(bench)
    getattr(bench.store.control, go_on)(parent)
    upkeep(bench)
    assert (bench.status("child"), bench.invocations("child")) == ("running", {"3.0.0"})
    bench.continued_long_ago([parent, "child"])
    pass_time(bench)
    assert bench.status("child") == ("failed" if otherwise == "fail" else "running")
    assert bench.invocations("child") == ({"3.0.0"} if otherwise == "fail" else {"2.1.0", "3.0.0"})


def pass_time(bench: Bench) -> None:
    """Every timer is due."""
    bench.make_due()
    upkeep(bench)


def test_a_retry_that_is_due_below_a_pause_is_parked(bench: Bench) -> None:
    """It takes no place in the queue; it is released when the parent goes on."""
    parent = parent_of_one(bench)
    bench.start("child", "1.0.0", "c")
    bench.retry_later("child", "1.0.0", "c", LONG)
    bench.pause(parent)
    pass_time(bench)
    assert bench.counters("child") == (0, 0, 1, 0)
    bench.store.control.resume(parent)
    upkeep(bench)
    assert bench.counters("child") == (1, 0, 0, 0)


def cancel_above(bench: Bench) -> str:
    parent = parent_of_one(bench, joins=f"1.0 count {LONG} fail 0\n")
    bench.start("child", "1.0.0", "c")
    return parent


@pytest.mark.parametrize("timer", ["retry", "join"])
def test_a_timer_below_a_cancelled_job_ends_what_it_belongs_to(bench: Bench, timer: str) -> None:
    """As a claim does, if it comes before the upkeep has told of the end."""
    parent = cancel_above(bench)
    if timer == "retry":
        bench.retry_later("child", "1.0.0", "c", LONG)
    else:
        bench.commit("child", "1.0.0", "c", emitted=[(1, 0, "j2:"), (0, 0, "")])
    (member,) = bench.members("timers")
    bench.store.control.cancel(parent, "")
    bench.link.call("ZREM", bench.key("timers"), "child/look")
    bench.link.call("ZADD", bench.key("timers"), 1, member)
    upkeep(bench)
    assert bench.status("child") == "cancelled"


def test_a_late_start_asks_the_ancestors_as_well(bench: Bench) -> None:
    """Handlers may start in a job that is running below jobs that are."""
    parent = parent_of_one(bench)
    bench.start("child", "1.0.0", "c")
    assert bench.store.invocations.may_start("child")
    bench.pause(parent)
    assert not bench.store.invocations.may_start("child")
    bench.store.control.resume(parent)
    bench.pause("child")
    assert not bench.store.invocations.may_start("child")
    bench.store.control.resume("child")
    assert bench.store.invocations.may_start("child")
    bench.store.control.cancel(parent, "")
    assert not bench.store.invocations.may_start("child")
    assert not bench.store.invocations.may_start("nosuchjob")


def test_a_running_handler_of_a_child_may_commit(bench: Bench) -> None:
    """A pause of the parent is a pause for the child: what runs may finish."""
    parent = parent_of_one(bench)
    bench.start("child", "1.0.0", "c")
    bench.pause(parent)
    assert bench.commit("child", "1.0.0", "c") == "ok"
    assert bench.status("child") == "completed"
    assert bench.parked(parent) == [WAITS]
    bench.store.control.resume(parent)
    assert queued(bench, parent) == {WAITS}


def test_a_cancelled_parent_takes_its_children_along(bench: Bench) -> None:
    """By the upkeep, or by the claim that comes before it; of every generation."""
    parent = parent_of_one(bench)
    bench.start("child", "1.0.0", "c")
    bench.commit("child", "1.0.0", "c", jobs=[bench.child("grandchild")])
    bench.store.control.cancel(parent, "enough")
    assert bench.claim("grandchild", "1.0.0", "g") == "dropped"
    assert bench.status("grandchild") == "cancelled"
    upkeep(bench)
    assert bench.status("child") == "cancelled"
    assert bench.row("child")["reason"] == "its parent job has ended"


def test_children_of_a_job_that_was_never_retried_end(bench: Bench) -> None:
    """They are looked at when its retention has passed, and nothing can retry it any more."""
    stopped_family(bench, fail_beside)
    (member,) = bench.members("timers")
    assert member == "child/look"
    assert bench.members("timers")[member] > bench.now() + LONG / 2
    (parent,) = [j for j in bench.members("status", "failed") if j != "child"]
    bench.link.call("DEL", bench.key("job", parent))
    bench.link.call("ZADD", bench.key("timers"), 1, member)
    upkeep(bench)
    assert bench.status("child") == "cancelled"


# --- many children ---------------------------------------------------------------------------

#: More than one script tells of something.
MANY = 601


def crowd(bench: Bench, **changes: Any) -> str:
    """A parent of many."""
    parent = bench.submit(**changes)
    bench.start(parent)
    jobs = [bench.child(f"child{n}", retention_ms=LONG) for n in range(MANY)]
    bench.commit(parent, emitted=[(0, 1, "")], jobs=jobs)
    return parent


def all_cancelled(bench: Bench) -> bool:
    return all(bench.status(f"child{n}") == "cancelled" for n in range(MANY))


@LARGE
def test_many_children_are_told_in_pieces(bench: Bench) -> None:
    """The script that ends the parent leaves them to the upkeep, and nothing stays behind."""
    parent = crowd(bench)
    bench.store.control.cancel(parent, "enough")
    assert len(bench.members("timers")) == 1
    upkeep(bench)
    assert all_cancelled(bench)
    while bench.store.upkeep.delete(500):
        pass
    assert bench.hash("children", parent) == {}
    assert not [key for key in bench.every_key() if ":x:" in key]


@LARGE
def test_many_children_outlive_a_failed_parent_until_they_are_told(bench: Bench) -> None:
    """Retention forgets the parent first; the children are known for as long as they need."""
    parent = crowd(bench, retention_ms=20)
    bench.start(parent, "2.0.1", "w")
    bench.fail(parent, "2.0.1", "w")
    eventually(lambda: bench.store.upkeep.prune(10))
    assert bench.row(parent) == {}
    (member,) = bench.members("timers")
    bench.link.call("ZADD", bench.key("timers"), 1, member)
    upkeep(bench)
    assert all_cancelled(bench)
    while bench.store.upkeep.delete(500):
        pass
    assert not [key for key in bench.every_key() if parent in key]


def test_jobs_of_one_flow_share_the_definition_that_came_along(bench: Bench) -> None:
    """Only the first of a commit brings it."""
    parent = bench.submit()
    bench.start(parent)
    first, second = bench.child("one"), bench.child("two")
    # The fields of both are the same but for the name of the definition.
    bare = [*bench.child("two")[: second.index(WAITER) + 2], 0]
    bare[0] = first[0]
    assert bench.commit(parent, jobs=[first, bare]) == "ok"
    assert bench.row("two")["def"] == bench.row("one")["def"] == "def-one"
    assert queued(bench, "two") == {"1.0.0"}
