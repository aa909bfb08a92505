"""What people are shown of single invocations, and lists of many."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from flowforge.model.definition import Definition
from flowforge.model.invocation_id import InvocationName
from flowforge.store.invocation_reads.invocation_lists import InvocationLists
from flowforge.store.invocation_reads.invocation_looks import InvocationLook, InvocationReader
from flowforge.store.invocation_reads.latest_lines import latest_lines
from flowforge.store.transitions.log_lines import Line, pack_line
from tests.contract.bench import DEFINITION, Bench, record


class Plan:
    """What is asked of a definition: three routines of two slots."""

    hash = DEFINITION
    routines = (SimpleNamespace(slot_names=("s0", "s1")),) * 3

    def place_of(self, invocation: InvocationName) -> tuple[str, str]:
        return f"r{invocation.routine}", f"s{invocation.slot}"

    def secret(self, routine: int, slot: int) -> frozenset[str]:
        return frozenset({"s"})

    def undo_slots(self, routine: int) -> list[int]:
        return []

    def mode(self, routine: int, slot: int) -> str:
        return ""


PLAN = cast(Definition, Plan())


def look(bench: Bench, job: str, number: int) -> InvocationLook:
    found = InvocationReader(bench.store, job, PLAN).look(number)
    assert found is not None
    return found


def numbers(bench: Bench, job: str, state: str, routine: int = 1) -> list[list[int]]:
    """The numbers of all lists of a state, list by list."""
    lists, found = InvocationLists(bench.store, job, PLAN), list[list[int]]()
    page = lists.of(routine, state)
    found.append([row.number for row in page.rows])
    while page.following is not None:
        page = lists.of(routine, state, page.following)
        found.append([row.number for row in page.rows])
    return found


def emitted(bench: Bench, count: int, routine: int = 1, **changes: Any) -> str:
    """A job whose first invocation has emitted so many to a routine."""
    job = bench.submit(**changes)
    bench.start(job)
    assert bench.commit(job, emitted=[(routine, 0, "")] * count) == "ok"
    return job


def test_where_an_invocation_is(bench: Bench) -> None:
    """Another mark each time that it has moved."""
    job = emitted(bench, 2, max_in_flight=1)
    assert look(bench, job, 1).state == "ended"
    assert look(bench, job, 3).state == "parked"
    looks = [look(bench, job, 2)]
    bench.start(job, "2.1.0")
    looks.append(look(bench, job, 2))
    bench.retry_later(job, "2.1.0", delay=10_000)
    looks.append(look(bench, job, 2))
    bench.edit(job, "2.1.0", record(1, r=5))
    looks.append(look(bench, job, 2))
    assert [one.state for one in looks] == ["queued", "running", "timer", "timer"]
    assert len({one.mark for one in looks}) == 4
    assert looks[-1].due is not None
    assert looks[-1].given.params == {"r": 5}
    assert [entry.kind for entry in looks[-1].entries] == ["retried", "edited"]
    assert InvocationReader(bench.store, job, PLAN).look(9) is None


def test_an_invocation_on_another_queue_is_parked_there(bench: Bench) -> None:
    """A job on several queues has a list of parked ones for each."""
    request = bench.submission(max_in_flight=2)
    assert bench.send(request, {**bench.fields(), "queues": 2}) == request.job_id
    job = request.job_id
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 0, ""), (2, 0, ""), (2, 0, "")])
    assert [look(bench, job, n).state for n in (2, 3, 4, 5)] == ["queued", "parked"] * 2
    assert numbers(bench, job, "parked") == [[3]]
    assert numbers(bench, job, "parked", 2) == [[5]]


def test_what_an_invocation_was_given(bench: Bench) -> None:
    """Secret params are masked, and large ones are not read."""
    job = bench.submit(record=record(7, amount=3, s="1234"))
    assert look(bench, job, 1).given == ({"amount": 3, "s": "***"}, 7, False, False)
    large = bench.submit(record=record(0, pad="x" * 70_000))
    assert look(bench, large, 1).given == (None, None, False, True)


def test_lists_of_a_state_are_whole(bench: Bench) -> None:
    """Of many parked ones each stands in one list, in order; of another routine's none does."""
    job = emitted(bench, 450, max_in_flight=10)
    found = numbers(bench, job, "parked")
    assert [len(page) for page in found] == [200, 200, 40]
    assert [n for page in found for n in page] == list(range(12, 452))
    assert numbers(bench, job, "parked", 2) == [[]]


def test_lists_of_what_runs_waits_and_has_failed(bench: Bench) -> None:
    """Those of other routines and of other jobs are not among them."""
    other, job = emitted(bench, 5), emitted(bench, 5)
    bench.start(other, "2.1.0")
    for number in (2, 3, 4, 5):
        bench.start(job, f"{number}.1.0")
    bench.retry_later(job, "3.1.0", delay=10_000)
    bench.commit(job, "4.1.0", outcome="skipped")
    bench.fail(job, "5.1.0")
    assert numbers(bench, job, "running") == [[2]]
    assert numbers(bench, job, "timer") == [[3]]
    assert numbers(bench, job, "failed") == [[5, 4]]
    bench.edit(job, "5.1.0", record(1, r=5))
    assert numbers(bench, job, "failed") == [[5, 4]]
    for state in ("running", "timer", "failed"):
        assert numbers(bench, job, state, 0) == [[]]
    for after in ("x", "-1", "1" * 30):
        with pytest.raises(ValueError, match="no place in the list"):
            InvocationLists(bench.store, job, PLAN).of(1, "parked", after)


def test_the_latest_lines(bench: Bench) -> None:
    """Of a job, and of one invocation among many others."""
    job = bench.submit()
    lines = [
        Line(job, f"{n % 3 + 1}.1.0", pack_line(1, "INFO", "shop", str(n), "", 1, "w1"))
        for n in range(1500)
    ]
    bench.store.log_lines.keep("p1", 1, 5000, lines)
    found = latest_lines(bench.store, job, PLAN, 4)
    assert [line.message for line in found] == ["1496", "1497", "1498", "1499"]
    found = latest_lines(bench.store, job, PLAN, 400, 2)
    assert [line.message for line in found] == [str(n) for n in range(301, 1500, 3)]
