"""Breakpoints with real workers: stop, look, mend, step, go on."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flowforge import JobState
from flowforge.engine.current import set_engine
from flowforge.errors import DefinitionError, InvalidValueError, JobStateError, PayloadError
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed, outputs
from tests.integration.mend_flows import holding, nested, orders
from tests.support.eventually import eventually


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests, until one of them kills it and starts another."""
    flows = ("tests.integration.mend_flows",)
    with installed(server, tmp_path_factory.mktemp("break"), flows, **FAST) as found:
        found.fleet.start(pool="threads", concurrency=2)
        yield found


@pytest.fixture(autouse=True)
def engine(shared: Installation) -> None:
    """The engine of this process: a command of the command line leaves none."""
    set_engine(shared.engine)


@contextmanager
def held_orders(*amounts: int) -> Iterator[JobState]:
    """A job whose first handler does not end before the block does."""
    with tempfile.TemporaryDirectory() as directory:
        gate = Path(directory, "gate")
        job = orders.execute("fetch", {"amounts": list(amounts), "gate": str(gate)})
        yield job
        gate.touch()
        eventually(lambda: job.status != "pending" and not job.counts["running"])


def stopped_orders(*amounts: int, when: dict[str, Any] | None = None) -> JobState:
    """A job with a breakpoint at its routine `charge`, after all has stopped that is going to."""
    with held_orders(*amounts) as job:
        job.break_at("charge", when, by="anna")
    eventually(lambda: job.counts["stopped"] and sum(job.counts.values()) == job.counts["stopped"])
    return job


def numbers(job: JobState) -> tuple[int, ...]:
    (found,) = job.breakpoints
    return found.stopped


def test_a_job_stops_is_looked_at_and_steps() -> None:
    """Each step lets one handler run; the last one completes the job."""
    job = stopped_orders(10, 20)
    assert job.status == "running"
    first, second = numbers(job)
    finding, other = job.explain()
    orders_of = {first: 1, second: 2} if first < second else {first: 2, second: 1}
    assert (finding.kind, finding.count, finding.routine_id) == ("breakpoint", 2, "charge")
    assert finding.what == (
        f"charge.input (invocation {first}) has stopped at a breakpoint (one of 2)"
    )
    assert finding.command == (
        f"flowforge step {job.job_id} {first}, all: flowforge continue {job.job_id}"
    )
    order_id = orders_of[first]
    assert finding.details["params"] == {
        "order_id": order_id, "amount": 10 * order_id, "card": "***"
    }  # fmt: skip
    assert other.invocation == second
    with pytest.raises(TimeoutError, match="has stopped at a breakpoint"):
        job.wait(0.1)
    job.step(second, by="bob")
    eventually(lambda: job.routine_states.get("charge", {}).get("completed") == 1)
    assert numbers(job) == (first,)
    job.step()
    assert outputs(job) == [{"orders": 2, "amount": 30}]
    history = job.get_execution_history("charge")
    assert [entry.kind for entry in history][:3] == ["break_set", "stopped", "stopped"]
    assert next(e.details["by"] for e in history if e.kind == "let_go") == "bob"
    assert {entry.details["attempt"] for entry in history if entry.kind == "completed"} == {1}


def test_a_condition_chooses_what_stops() -> None:
    """The others go on; what has stopped is edited and skipped as anything that is parked."""
    job = stopped_orders(10, 500, 600, 20, when={"amount": [(">", 100), ("<", 1000)]})
    assert job.routine_states["charge"]["completed"] == 2
    (found,) = job.breakpoints
    assert (found.routine_id, found.by) == ("charge", "anna")
    assert found.condition == "amount > 100 and amount < 1000"
    assert job.explain()[0].details["condition"] == found.condition
    one, two = found.stopped
    job.edit(one, {"amount": 1})
    job.skip(two)
    job.continue_()
    assert outputs(job) == [{"orders": 3, "amount": 31}]
    with pytest.raises(JobStateError, match="completed"):
        job.step()


def test_secrets_of_a_condition_are_told_nowhere(shared: Installation) -> None:
    """Neither by the breakpoint, nor by the history, explain or the command line."""
    job = stopped_orders(10, 20, when={"card": ("==", "card-2")})
    shell = Shell(shared)
    told = [
        job.breakpoints, job.explain(), job.get_execution_history(),
        *(shell.run(*command, job.job_id).stdout for command in (["show"], ["history"], ["break"])),
    ]  # fmt: skip
    set_engine(shared.engine)
    assert "card-2" not in str(told)
    assert str(told).count("card == ***") >= 5
    job.clear_break()
    assert outputs(job) == [{"orders": 2, "amount": 30}]


def test_what_never_fulfils_a_condition_stops_nothing() -> None:
    """Params that are missing or of another type, and joins."""
    with held_orders(10) as job:
        job.break_at("charge", {"amount": (">", "100"), "missing": ("==", 1)})
        job.break_at("total")
        job.clear_break("total")
    assert outputs(job) == [{"orders": 1, "amount": 10}]


def test_a_join_stops_as_a_whole() -> None:
    """Without a condition, which has no params to see there."""
    job = stopped_orders(10, when={"amount": (">", 0)})
    with pytest.raises(InvalidValueError, match="gets the items of a join"):
        job.break_at("total", {"paid": (">", 0)})
    job.break_at("total")
    job.continue_("charge")
    eventually(lambda: job.breakpoints[1].stopped)
    job.clear_break("total")
    assert outputs(job) == [{"orders": 1, "amount": 10}]


def test_a_cancelled_job_is_gone_and_a_failed_one_waits() -> None:
    """A retry continues what failed; what has stopped waits for its step."""
    job = stopped_orders(10, 20)
    job.cancel()
    assert (job.counts["stopped"], job.breakpoints) == (0, [])
    with held_orders(20, -5) as job:
        job.break_at("charge", {"amount": (">", 0)})
    assert job.wait(LIMIT).status == "failed"
    number = job.error["invocation"] if job.error else 0
    eventually(lambda: job.counts["queued"] == 0)
    job.retry(edit={number: {"amount": 5}})
    eventually(lambda: job.counts["stopped"] == 2)
    job.continue_()
    assert outputs(job) == [{"orders": 2, "amount": 25}]


def test_what_takes_the_end_of_a_child_job_does_not_stop() -> None:
    """A handler stops once, and what takes the end of its child job does not."""
    parent = nested.execute("begin", {})
    assert parent.wait(LIMIT).status == "failed"
    parent.break_at("begin")
    parent.retry(edit={1: {"amounts": [1]}})
    eventually(lambda: parent.counts["stopped"] == 1)
    parent.step()
    (child,) = outputs(parent)
    assert child["outputs"][0]["params"] == {"orders": 1, "amount": 1}


def test_wrong_use_is_refused() -> None:
    """Before anything is written."""
    job = stopped_orders(10)
    (number,) = numbers(job)
    refused = [
        (lambda: job.break_at("chrage"), DefinitionError, "no routine 'chrage'"),
        (lambda: job.break_at("charge", {"a": 5}), InvalidValueError, "comparisons: ==, !="),
        (lambda: job.break_at("charge", {"a": ("==", object())}), PayloadError, "cannot travel"),
        (lambda: job.break_at("charge", {"a": ("==", "x" * 5000)}), PayloadError, "the limit is"),
        (lambda: job.break_at("charge", {"x" * 5000: (">", 1)}), PayloadError, "the limit is"),
        (lambda: job.clear_break("fetch"), JobStateError, "no breakpoint at 'fetch'"),
        (lambda: job.step(1), JobStateError, "has not stopped at a breakpoint"),
        (lambda: job.step(99), JobStateError, "has not stopped at a breakpoint"),
        (lambda: job.continue_("fetch"), JobStateError, "nothing of job .* has stopped"),
        (lambda: job.run_now(number), JobStateError, r"stopped at a breakpoint; step\(\)"),
    ]
    for call, kind, text in refused:
        with pytest.raises(kind, match=text):
            call()
    assert [one.routine_id for one in job.breakpoints] == ["charge"]
    job.clear_break()
    job.result(LIMIT)
    with pytest.raises(JobStateError, match="completed"):
        job.break_at("charge")


def test_the_commands_stop_and_let_go(shared: Installation) -> None:
    """`break` sets, lists and clears; `show` and `explain` say what to do."""
    shell = Shell(shared)
    with held_orders(10, 500, 600) as job:
        assert "no breakpoints" in shell.run("break", job.job_id).stdout
        shell.run("break", job.job_id, "charge", "--when", "amount>100", "--by", "anna")
    eventually(lambda: job.counts["stopped"] == 2 and sum(job.counts.values()) == 2)
    listed = shell.run("break", job.job_id).stdout
    assert re.search(r"charge +amount > 100 .* anna +\d+ \d+", listed)
    (found,) = shell.json("break", job.job_id)
    first, second = found["stopped"]
    shown = shell.run("show", job.job_id).stdout
    assert f"-> flowforge step {job.job_id} {first}" in shown
    assert re.search(
        rf"charge when amount > 100, set by anna .*; stopped: {first}, {second}", shown
    )
    assert "2 at a breakpoint" in shown
    shell.run("step", job.job_id, str(second))
    told = shell.run("step", job.job_id, str(second), "--by", "bob", code=1).stderr
    assert re.search(r"was let go; it was let go by \S+ at \d", told)
    assert shell.json("continue", job.job_id, "charge")["job_id"] == job.job_id
    set_engine(shared.engine)
    assert outputs(job) == [{"orders": 3, "amount": 1110}]
    told = shell.run("history", job.job_id).stdout
    assert re.search(r'break_set .*by "anna"  routine_id "charge"  condition "amount > 100"', told)
    set_engine(shared.engine)
    other = stopped_orders(1)
    assert shell.json("break", other.job_id, "--clear")["job_id"] == other.job_id
    shell.run("break", job.job_id, "--when", "a>1", code=2)
    shell.run("break", job.job_id, "charge", "--when", "a", code=2)
    set_engine(shared.engine)
    other.result(LIMIT)


def test_killed_workers_lose_nothing_at_a_breakpoint(shared: Installation, tmp_path: Path) -> None:
    """What has stopped needs no worker; what was let go runs again without stopping, once more."""
    job = stopped_orders(10, 20)
    held = holding.execute("hold", {"gate": str(tmp_path / "none" / "gate")})
    assert held.wait(LIMIT).status == "failed"
    held.break_at("hold")
    held.retry(edit={1: {"gate": str(tmp_path / "gate")}})
    eventually(lambda: held.counts["stopped"] == 1)
    held.step()
    eventually(Path(f"{tmp_path / 'gate'}.held").exists, message="the handler's start")
    for worker in list(shared.fleet.workers):
        shared.fleet.kill(worker)
    first, _ = numbers(job)
    job.step(first)
    assert job.counts["stopped"] == 1
    (tmp_path / "gate").touch()
    shared.fleet.start(pool="prefork", concurrency=2)
    assert len(outputs(held)) == 1
    assert "lost" in [entry.kind for entry in held.get_execution_history()]
    assert [entry.kind for entry in held.get_execution_history()].count("stopped") == 1
    job.continue_()
    assert outputs(job) == [{"orders": 2, "amount": 30}]
    completed = [e for e in job.get_execution_history("charge") if e.kind == "completed"]
    assert len(completed) == 2
