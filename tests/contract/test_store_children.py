"""Jobs that handlers start: created by the commit, awaited by an invocation, reached by control."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowforge.store.store import NextClaim
from tests.contract.bench import LONG, WAITER, Bench
from tests.support.eventually import eventually

#: The invocation that waits for the first job which the entry of a job has started.
WAITS = "2.0.99999"


def family(bench: Bench, **changes: object) -> str:
    """A parent whose entry has started the job ``child``."""
    parent = bench.submit()
    bench.start(parent)
    assert bench.commit(parent, jobs=[bench.child(**changes)]) == "ok"
    return parent


def upkeep(bench: Bench) -> None:
    while bench.store.release_due(100)[0]:
        pass


def queued(bench: Bench, job: str) -> set[str]:
    return {member.partition("/")[2] for member in bench.unclaimed() if member.startswith(job)}


def test_a_commit_creates_the_job_and_what_waits_for_it(bench: Bench) -> None:
    """The child runs on its own; what waits for it is neither queued nor parked."""
    parent = family(bench)
    assert queued(bench, "child") == {"1.0.0"}
    assert bench.status("child") == "pending"
    assert bench.hash("children", parent) == {"child": WAITS.encode()}
    assert bench.hash("invocations", parent) == {WAITS: WAITER}
    assert bench.counters(parent) == (0, 0, 0, 0)
    assert bench.status(parent) == "running"
    assert bench.hash("definition", "def-child")["active"] == b"1"


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
    bench.store.cancel(parent, "")
    assert bench.commit(parent, jobs=[bench.child()]) == "dropped"
    assert bench.hash("job", "child") == {}


def complete(bench: Bench, job: str) -> None:
    bench.start(job, "1.0.0", "c")
    bench.commit(job, "1.0.0", "c")


def fail(bench: Bench, job: str) -> None:
    bench.start(job, "1.0.0", "c")
    bench.fail(job, "1.0.0", "c")


def cancel(bench: Bench, job: str) -> None:
    bench.store.cancel(job, "")


@pytest.mark.parametrize("end", [complete, fail, cancel])
def test_the_end_of_a_child_is_told_once(bench: Bench, end: Callable[[Bench, str], None]) -> None:
    """However it ends: what waits for it may run, and the parent ends after that."""
    parent = family(bench)
    end(bench, "child")
    assert queued(bench, parent) == {WAITS}
    assert bench.hash("children", parent) == {}
    assert bench.start(parent, WAITS, "w").record == WAITER
    bench.store.cancel("child", "")
    bench.store.retry("child")
    assert queued(bench, parent) == set()
    assert bench.commit(parent, WAITS, "w") == "ok"
    assert bench.status(parent) == "completed"


def test_a_child_may_end_when_it_is_created(bench: Bench) -> None:
    """A join that can never be filled fails it at once; the parent's counters stay right."""
    parent = bench.submit()
    bench.start(parent)
    doomed = bench.child(joins="1.0 count 0 fail 0\n", routine=1, mode="j2:")
    bench.commit(parent, children=[(0, 1, "")], jobs=[doomed])
    assert bench.status("child") == "failed"
    assert queued(bench, parent) == {"2.0.1", "3.0.99999"}
    assert bench.counters(parent) == (2, 0, 0, 0)
    for tag in ("2.0.1", "3.0.99999"):
        bench.start(parent, tag, tag)
        bench.commit(parent, tag, tag)
    assert bench.status(parent) == "completed"
    assert bench.counters(parent) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("mode", "tag"), [("", "1.0.0"), ("m", "1.0.0.1"), ("j0:", "1.0.0"), ("j1:", "1.0.0")]
)
def test_a_commit_may_go_on_with_the_job_that_it_starts(bench: Bench, mode: str, tag: str) -> None:
    """Whatever its entry is: what the commit counts of the new job is counted once."""
    parent = bench.submit()
    bench.start(parent)
    bench.forget_broker()
    joins = f"0.0 {'count' if mode == 'j1:' else 'all'} 0 fail -\n" if mode[:1] == "j" else ""
    child = bench.child(mode=mode, joins=joins)
    answer, granted = bench.commit_then(NextClaim("n", LONG, [bench.list]), parent, jobs=[child])
    assert answer == "ok"
    assert granted is not None
    assert (granted.job_id, granted.tag) == ("child", tag)
    assert bench.counters("child") == (0, 1, 0, 0)
    assert bench.status("child") == "running"
    assert bench.commit("child", tag, "n") == "ok"
    assert bench.status("child") == "completed"
    assert queued(bench, parent) == {WAITS}


def test_a_join_waits_for_jobs_that_were_started_above(bench: Bench) -> None:
    """What waits for a child may still deliver."""
    parent = bench.submit("1.0 all 0 fail 0\n")
    bench.start(parent)
    bench.commit(parent, children=[(1, 0, "j0:")], jobs=[bench.child()])
    waits = bench.hash("children", parent)["child"].decode()
    complete(bench, "child")
    bench.start(parent, waits, "w")
    assert not [tag for tag in bench.tags(parent) if tag.endswith(".1.0")]
    bench.commit(parent, waits, "w", children=[(1, 0, "j0:")])
    (tag,) = bench.tags(parent)
    assert bench.hash("invocations", parent)[tag] == b"J2 "


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
    bench.commit(parent, children=[(0, 1, "")], jobs=[bench.child()])
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
    assert getattr(bench.store, go_on)(parent) == "ok"
    upkeep(bench)
    assert bench.counters("child") == (1, 0, 0, 0)
    complete(bench, "child")
    assert bench.status("child") == "completed"
    assert "3.0.99999" in queued(bench, parent)


def test_a_grandchild_stands_still_as_well(bench: Bench) -> None:
    """Pause and resume reach every generation."""
    parent = family(bench)
    bench.start("child", "1.0.0", "c")
    bench.commit("child", "1.0.0", "c", jobs=[bench.child("grandchild")])
    bench.pause(parent)
    assert bench.claim("grandchild", "1.0.0", "g") == "paused"
    bench.store.resume(parent)
    upkeep(bench)
    complete(bench, "grandchild")
    assert bench.status("grandchild") == "completed"


def test_a_running_handler_of_a_child_may_commit(bench: Bench) -> None:
    """A pause of the parent is a pause for the child: what runs may finish."""
    parent = family(bench)
    bench.start("child", "1.0.0", "c")
    bench.pause(parent)
    assert bench.commit("child", "1.0.0", "c") == "ok"
    assert bench.status("child") == "completed"
    assert bench.backlog(parent) == [WAITS]
    bench.store.resume(parent)
    assert queued(bench, parent) == {WAITS}


def test_a_cancelled_parent_takes_its_children_along(bench: Bench) -> None:
    """By the upkeep, or by the claim that comes before it; of every generation."""
    parent = family(bench)
    bench.start("child", "1.0.0", "c")
    bench.commit("child", "1.0.0", "c", jobs=[bench.child("grandchild")])
    bench.store.cancel(parent, "enough")
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


# --- a child that is retried -----------------------------------------------------------------


def broken_family(bench: Bench) -> str:
    """A child that failed, and with it the parent, whose waiting invocation found that out."""
    parent = family(bench)
    fail(bench, "child")
    bench.start(parent, WAITS, "w")
    bench.fail(parent, WAITS, "w")
    assert bench.status("child") == bench.status(parent) == "failed"
    return parent


@pytest.mark.parametrize("claimed_between", [True, False])
def test_a_family_goes_on_when_child_and_parent_are_retried(
    bench: Bench, claimed_between: bool
) -> None:
    """The child is waited for again, even if a worker came while its parent was still failed."""
    parent = broken_family(bench)
    assert bench.store.retry("child") == "ok"
    if claimed_between:
        assert bench.claim("child", "1.0.0", "c2") == "paused"
    assert bench.store.retry(parent) == "ok"
    upkeep(bench)
    assert queued(bench, parent) == set()
    complete(bench, "child")
    assert queued(bench, parent) == {WAITS}
    bench.start(parent, WAITS, "w2")
    bench.commit(parent, WAITS, "w2")
    assert bench.status(parent) == "completed"


def test_nothing_of_a_failed_parent_stays_for_ever(bench: Bench) -> None:
    """What is kept of a child that was retried goes when the parent does."""
    parent = broken_family(bench)
    bench.store.retry("child")
    ttls = {key: bench.link.call("PTTL", key) for key in bench.every_key() if parent in key}
    assert all(0 < ttl <= LONG for ttl in ttls.values()), ttls


def test_a_child_that_is_retried_below_a_failed_parent_ends_with_it(bench: Bench) -> None:
    """Its work is parked for the parent's retry; when that cannot come any more, it is told so."""
    parent = broken_family(bench)
    assert bench.store.retry("child") == "ok"
    assert bench.claim("child", "1.0.0", "c2") == "paused"
    bench.link.call("DEL", bench.key("job", parent))
    for member in bench.members("timers"):
        bench.link.call("ZADD", bench.key("timers"), 1, member)
    upkeep(bench)
    assert bench.status("child") == "cancelled"


# --- many children ---------------------------------------------------------------------------

#: More than one script tells of something.
MANY = 601


def crowd(bench: Bench, **changes: object) -> str:
    """A parent of many."""
    parent = bench.submit(**changes)
    bench.start(parent)
    jobs = [bench.child(f"child{n}", keep=LONG) for n in range(MANY)]
    bench.commit(parent, children=[(0, 1, "")], jobs=jobs)
    return parent


def all_cancelled(bench: Bench) -> bool:
    return all(bench.status(f"child{n}") == "cancelled" for n in range(MANY))


def test_many_children_are_told_in_pieces(bench: Bench) -> None:
    """The script that ends the parent leaves them to the upkeep, and nothing stays behind."""
    parent = crowd(bench)
    bench.store.cancel(parent, "enough")
    assert len(bench.members("timers")) == 1
    upkeep(bench)
    assert all_cancelled(bench)
    while bench.store.run("dispose", 500):
        pass
    assert bench.hash("children", parent) == {}
    assert not [key for key in bench.every_key() if ":x:" in key]


def test_many_children_outlive_a_failed_parent_until_they_are_told(bench: Bench) -> None:
    """Retention forgets the parent first; the children are known for as long as they need."""
    parent = crowd(bench, keep=20)
    bench.start(parent, "2.0.1", "w")
    bench.fail(parent, "2.0.1", "w")
    eventually(lambda: bench.store.run("prune", 10))
    assert bench.row(parent) == {}
    (member,) = bench.members("timers")
    bench.link.call("ZADD", bench.key("timers"), 1, member)
    upkeep(bench)
    assert all_cancelled(bench)
    while bench.store.run("dispose", 500):
        pass
    assert not [key for key in bench.every_key() if parent in key]


def test_jobs_of_one_flow_share_the_definition_that_came_along(bench: Bench) -> None:
    """Only the first of a commit brings it."""
    parent = bench.submit()
    bench.start(parent)
    first, second = bench.child("one"), bench.child("two")
    # The fields of both are the same but for the name of the definition.
    bare = [*bench.child("two")[: second.index(WAITER) + 1], 0]
    bare[0] = first[0]
    assert bench.commit(parent, jobs=[first, bare]) == "ok"
    assert bench.row("two")["def"] == bench.row("one")["def"] == "def-one"
    assert queued(bench, "two") == {"1.0.0"}
