"""Joins below joins: what is open above may deliver more, so the join below waits for it."""

from __future__ import annotations

from tests.contract.bench import LARGE, Bench
from tests.contract.joins import joined, run, start

#: Routine 2 joins below the join of routine 1; routine 0 delivers to both.
NESTED = "1.0 all 0 fail 0\n2.0 all 0 fail 0,1\n"


def last(bench: Bench, job: str) -> list[bytes]:
    """What routine 2 is handed."""
    found = bench.hash("invocations", job)
    return [record for invocation, record in found.items() if invocation.endswith(".2.0")]


def test_a_join_below_another_waits_for_it(bench: Bench) -> None:
    """An open join above is as good as a handler that has yet to run: it may deliver more."""
    job = start(bench, NESTED)
    bench.commit(job, emitted=[(1, 0, "j0:"), (2, 0, "j0:")])
    assert joined(bench, job) == ["2.1.0"]
    assert last(bench, job) == []
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0", emitted=[(2, 0, "j0:")])
    assert last(bench, job) == [b"J2 "]
    assert run(bench, job, "3.2.0") == "ok"
    assert bench.status(job) == "completed"


@LARGE
def test_a_join_waits_for_all_keys_of_the_join_above(bench: Bench) -> None:
    """More collections than one script fires: the join below is handed the items of each, once."""
    job = start(bench, NESTED)
    bench.commit(job, emitted=[(1, 0, f"j0:{n}") for n in range(250)])
    handled: set[str] = set()
    while not last(bench, job):
        waiting = {member.partition("/")[2] for member in bench.unclaimed()}
        assert waiting or bench.members("timers"), "nothing goes on"
        for invocation in waiting:
            bench.start(job, invocation)
            bench.commit(job, invocation, emitted=[(2, 0, "j0:")])
        handled |= waiting
        # The upkeep comes by only now and then.
        if not waiting:
            bench.store.upkeep.release_due(10)
    assert len(handled) == 250
    assert last(bench, job) == [b"J250 "]


def test_staged_items_are_outstanding_once(bench: Bench) -> None:
    """The join below fires when the join above is handled, whatever else the job still does."""
    job = bench.submit("1.0 all 0 fail 0\n2.0 all 0 fail 1\n")
    bench.start(job)
    bench.stage(job, [(1, 0, "j0:")] * 3)
    bench.commit(job, emitted=[(2, 1, "")], staged={1: 3})
    (first,) = joined(bench, job)
    bench.start(job, first)
    bench.commit(job, first, emitted=[(2, 0, "j0:")])
    assert last(bench, job) == [b"J1 "]


def test_a_count_above_is_given_up_first(bench: Bench) -> None:
    """The rest of a row of batches belongs to what the join below collects."""
    job = start(bench, "1.0 count 0 fire 0\n2.0 all 0 fail 0,1\n")
    bench.commit(job, emitted=[(1, 0, "j2:")] * 3 + [(2, 0, "j0:")])
    assert bench.hash("invocations", job)["2.1.0"] == b"J2 "
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0", emitted=[(2, 0, "j0:")])
    assert last(bench, job) == []
    (rest,) = joined(bench, job)
    assert bench.hash("invocations", job)[rest] == b"J1 "
    bench.start(job, rest)
    bench.commit(job, rest, emitted=[(2, 0, "j0:")])
    assert last(bench, job) == [b"J3 "]


def test_a_count_is_not_given_up_below_an_open_join(bench: Bench) -> None:
    """What the join above hands on may fill it."""
    job = start(bench, "1.0 count 0 fire 0\n2.0 count 0 fail 0,1\n")
    bench.commit(job, emitted=[(1, 0, "j2:"), (2, 0, "j2:")])
    assert bench.status(job) == "running"
    (above,) = joined(bench, job)
    bench.start(job, above)
    bench.commit(job, above, emitted=[(2, 0, "j2:")])
    assert last(bench, job) == [b"J2 "]


def test_a_cycle_above_goes_on_first(bench: Bench) -> None:
    """A join below a cycle is handed what every round delivers."""
    job = start(bench, "1.0 quiet 0 fail 0,1\n2.0 all 0 fail 0,1\n")
    bench.commit(job, emitted=[(2, 0, "j0:"), (1, 0, "j0:")])
    (first,) = joined(bench, job)
    assert last(bench, job) == []
    bench.start(job, first)
    bench.commit(job, first, emitted=[(2, 0, "j0:"), (1, 0, "j0:")])
    assert last(bench, job) == []
    (second,) = joined(bench, job)
    run(bench, job, second)
    assert last(bench, job) == [b"J2 "]
