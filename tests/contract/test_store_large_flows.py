"""Large flows and jobs: what a transition costs the server does not grow with them."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from flowforge.broker.message import message_format
from flowforge.model.times.start import Start
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import Bench, Emitted, Fields, rules

#: Routine -> what its invocation emits.
Emit = Callable[[int], list[Emitted]]


def row_of_joins(n: int) -> tuple[str, Emit]:
    """A head, and joins in a row with two routines between them: 0 -> 1, 2 -> 3 -> 4, 5 -> 6."""
    joins = "".join(f"{r}.0 all 0 fail 0-{r - 1}\n" for r in range(3, 3 * n + 1, 3))

    def emit(r: int) -> list[Emitted]:
        if r % 3:
            return [(r + 3 - r % 3, 0, "j0:")]
        return [] if r == 3 * n else [(r + 1, 0, ""), (r + 2, 0, "")]

    return joins, emit


def joins_side_by_side(n: int) -> tuple[str, Emit]:
    """A head that feeds many routines, each with a join of its own below it."""
    joins = "".join(f"{n + r}.0 all 0 fail 0,{r}\n" for r in range(1, n + 1))

    def emit(r: int) -> list[Emitted]:
        if r == 0:
            return [(target, 0, "") for target in range(1, n + 1)]
        return [(n + r, 0, "j0:")] * 2 if r <= n else []

    return joins, emit


def one_join_below(n: int) -> tuple[str, Emit]:
    """A head that feeds many routines, and one join below them all."""

    def emit(r: int) -> list[Emitted]:
        if r == 0:
            return [(target, 0, "") for target in range(1, n + 1)]
        return [(n + 1, 0, "j0:")] if r <= n else []

    return f"{n + 1}.0 all 0 fail 0-{n}\n", emit


def stored(bench: Bench, routines: int, joins: str) -> Fields:
    fields: Fields = {"json": "{}", **rules(joins)}
    for r in range(routines):
        fields[f"q{r}"] = bench.list
        fields[f"m{r}.0"] = message_format("t.R", bench.list, "s0")
    return fields


def commands(bench: Bench, name: str = r"\w+") -> int:
    """How many commands the server has run, those of scripts included. ``name``: a pattern."""
    text = bench.link.call("INFO", "commandstats").decode()
    return sum(int(calls) for calls in re.findall(rf"cmdstat_{name}:calls=(\d+)", text))


def run_through(bench: Bench, routines: int, joins: str, emit: Emit) -> float:
    """Run a job to its end; commands of the server for each of its steps."""
    request = bench.submission(max_in_flight=10_000, definition=f"large{routines}")
    bench.send(request, stored(bench, routines, joins))
    job, before, steps = request.job_id, commands(bench), 0
    while sent := bench.link.call("RPOP", bench.list):
        invocation = re.findall(rb'"(\d+\.\d+\.\d+)', sent.replace(b"\\", b""))[0].decode()
        bench.start(job, invocation)
        assert bench.commit(job, invocation, emitted=emit(int(invocation.split(".")[1]))) == "ok"
        steps += 1
    assert steps == routines
    assert bench.status(job) == "completed"
    return (commands(bench) - before) / steps


@pytest.mark.parametrize("flow", [row_of_joins, joins_side_by_side, one_join_below])
def test_a_step_costs_the_same_however_many_joins_and_routines_there_are(
    server_bench: Bench, flow: Callable[[int], tuple[str, Emit]]
) -> None:
    """A commit looks at the joins that wait for its routine, not at all joins of the flow."""
    cost = {}
    for n in (6, 120):
        joins, emit = flow(n)
        routines = max(int(line.split(".")[0]) for line in joins.splitlines()) + 1
        cost[n] = run_through(server_bench, routines, joins, emit)
    # A large search takes some commands more than a small one, of up to 1,000 counts each.
    assert cost[120] <= cost[6] + 2


def test_a_join_may_have_very_many_routines_above_it(server_bench: Bench) -> None:
    """More than one command takes values; those at rest do not hide the one that is not."""
    above = 9_000
    job = server_bench.submit(f"1.0 all 0 fail 0,3-{above}\n")
    server_bench.start(job)
    server_bench.link.call("HSET", server_bench.key("outstanding", job), str(above - 1), 1)
    assert server_bench.commit(job, emitted=[(1, 0, "j0:"), (0, 1, "")]) == "ok"
    server_bench.start(job, "3.0.1")
    assert server_bench.commit(job, "3.0.1") == "ok"
    waits = {k: v for k, v in server_bench.hash("outstanding", job).items() if k.startswith("at")}
    assert list(waits) == [f"at{above - 1}"]


def test_a_collection_is_found_whatever_else_is_open(server_bench: Bench) -> None:
    """An all-join fires with a few commands beside thousands of open collections."""
    bench = server_bench
    job = bench.submit("1.0 count 0 fail 0\n2.0 all 0 fail 0\n")
    bench.start(job)
    bench.commit(job, emitted=[*[(1, 0, f"j9:{n}") for n in range(3_000)], (0, 1, "")])
    last = next(invocation for invocation in bench.invocations(job) if invocation.endswith(".0.1"))
    bench.start(job, last)
    before = commands(bench)
    assert bench.commit(job, last, emitted=[(2, 0, "j0:")]) == "ok"
    assert commands(bench) - before < 45
    assert [invocation.partition(".")[2] for invocation in bench.invocations(job)] == ["2.0"]


@pytest.mark.parametrize("end", ["cancel", "fail"])
def test_a_job_with_many_staged_emissions_ends_with_few_commands(
    server_bench: Bench, end: str
) -> None:
    """The script that ends it leaves the segments to the upkeep."""
    bench, attempts = server_bench, 300
    job = bench.submit()
    bench.start(job)
    names = [f"{job}/{number}.0.0/t" for number in range(2, attempts)]
    bench.link.many([("RPUSH", bench.key("segment", name), "1 0 0 x") for name in names])
    bench.link.call("RPUSH", bench.key("segments", job), *names)
    bench.link.call("HSET", bench.key("job", job), "staged", attempts)
    before = commands(bench)
    if end == "cancel":
        bench.store.control.cancel(job, "")
    else:
        bench.fail(job)
    assert commands(bench) - before < 80


def test_the_start_of_a_large_job_is_looked_for_with_few_reads(server_bench: Bench) -> None:
    """A job that was not put off, or has started, may have very many invocations."""
    bench = server_bench
    job = bench.submit()
    bench.start(job)
    assert bench.commit(job, emitted=[(0, 0, "+60000 :")] * 3) == "ok"
    before = commands(bench, "hkeys")
    start = Start("+", 1)
    assert bench.store.mending.run_now(job, "", b"") is Answer.NONE
    assert bench.store.mending.reschedule(job, "", start, b"") is Answer.NONE
    assert commands(bench, "hkeys") == before
