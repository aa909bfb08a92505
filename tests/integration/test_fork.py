"""Forks with real workers: a new job that starts with copies of deliveries."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from flowforge import Flow, JobState
from flowforge.engine.current import set_engine
from flowforge.errors import (
    ArgumentError,
    InvalidValueError,
    JobNotFoundError,
    JobStateError,
    PayloadError,
)
from flowforge.local.server import LocalServer
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed, outputs
from tests.integration.mend_flows import keeping, nested, orders


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    flows = ("tests.integration.mend_flows",)
    with installed(server, tmp_path_factory.mktemp("fork"), flows, **FAST) as found:
        found.fleet.start(pool="threads", concurrency=2)
        yield found


@pytest.fixture(autouse=True)
def engine(shared: Installation) -> None:
    """The engine of this process: a command of the command line leaves none."""
    set_engine(shared.engine)


def invocations(job: JobState, routine_id: str) -> list[int]:
    """Numbers of what has ended or failed, in order."""
    entries = job.get_execution_history(routine_id)
    return [entry.invocation for entry in entries if entry.invocation is not None]


def failed_order() -> tuple[JobState, int]:
    job = orders.execute("fetch", {"amounts": [10, -5, 30]}, labels={"tenant": "acme"})
    assert job.wait(LIMIT).status == "failed"
    return job, job.error["invocation"] if job.error else 0


def test_a_failed_invocation_is_forked_with_an_edit() -> None:
    """Its secret params are still there; a join gets what the fork delivers; both are named."""
    job, number = failed_order()
    fork = job.fork([number], edit={number: {"amount": 7}}, by="anna")
    assert outputs(fork) == [{"orders": 1, "amount": 7}]
    assert (fork.forked_from, fork.flow_id, fork.labels) == (
        job.job_id, "orders", {"tenant": "acme"}
    )  # fmt: skip
    assert (job.status, job.forked_from) == ("failed", None)
    (told,) = [entry for entry in job.get_execution_history() if entry.kind == "forked"]
    assert told.details == {"by": "anna", "job_id": fork.job_id, "invocations": [number]}
    _, own, changed, *_ = fork.get_execution_history()
    assert (own.kind, own.details) == (
        "forked_from", {"by": "anna", "job_id": job.job_id, "invocations": [number]}
    )  # fmt: skip
    assert changed.kind == "edited"
    assert changed.details["changes"] == {"amount": {"old": "-5", "new": "7"}}
    assert fork.params is None
    with pytest.raises(InvalidValueError, match="it is a fork"):
        fork.rerun()


def test_small_params_of_what_has_ended_are_in_the_history() -> None:
    """Without the secret ones, which have to be given."""
    job = orders.execute("fetch", {"amounts": [10]})
    assert outputs(job) == [{"orders": 1, "amount": 10}]
    (number,) = invocations(job, "charge")
    with pytest.raises(InvalidValueError, match=r"secret params of .* are not kept \('card'\)"):
        job.fork([number], edit={number: {"amount": 20}})
    given = {"amount": 20, "card": "c"}
    fork = job.fork([number], edit={number: given}, labels={"tenant": "x"})
    assert outputs(fork) == [{"orders": 1, "amount": 20}]
    assert fork.labels == {"tenant": "x"}
    (entry,) = [entry for entry in fork.get_execution_history() if entry.kind == "edited"]
    assert entry.details["changes"]["card"] == {"old": "***", "new": "***"}
    again = job.fork(invocations(job, "fetch"))
    assert outputs(again) == [{"orders": 1, "amount": 10}]


def test_what_is_not_kept_is_refused_with_what_keeps_it() -> None:
    """Large params of an ended invocation; the same flow with keep_inputs has them."""
    flow = Flow("forgetting")
    for routine_id, one in keeping.routines.items():
        flow.add_routine(one, routine_id)
    flow.connect("rows", "row", "merged", "input")
    params = {"numbers": [1, 2], "pad": "x" * 2000}
    job, kept = flow.execute("rows", params), keeping.execute("rows", params)
    assert len(outputs(job)) == len(outputs(kept)) == 2
    with pytest.raises(JobStateError, match=r"more than 512 bytes; Flow\(keep_inputs=True\)"):
        job.fork([1])
    assert len(outputs(kept.fork([1], edit={1: {"numbers": [5]}}))) == 1
    numbers = invocations(kept, "merged")
    edit = {number: {"pin": "p"} for number in numbers}
    merged = outputs(kept.fork(numbers, edit))
    assert len(merged) == 2
    assert {n for one in merged for n in one["n"]} == {1, 2}


def test_kept_inputs_have_no_secrets(shared: Installation) -> None:
    """On the server they are masked, as in the history, from the end of the invocation on."""
    job = keeping.execute("rows", {"numbers": [7], "pad": "x" * 2000})
    job.result(LIMIT)
    stored = shared.redis.hgetall(shared.key("inputs", job.job_id))
    assert len(stored) == 2
    assert b"pin-7" not in b"".join(stored.values())
    (number,) = invocations(job, "merged")
    with pytest.raises(InvalidValueError, match=r"\('pin'\): give them with edit"):
        job.fork([number])


def test_what_an_operator_skipped_is_kept_too() -> None:
    """Its handler did not end it, and it can be tried again in a fork, and in a fork of that."""
    job = keeping.execute("rows", {"numbers": [], "pad": "x" * 2000})
    assert job.wait(LIMIT).status == "failed"
    job.skip(1)
    job.retry()
    assert job.result(LIMIT) == []
    fork = job.fork([1], edit={1: {"numbers": [3]}})
    assert outputs(fork) == outputs(fork.fork([1])) == [{"n": [3], "pins": 1}]


def test_joins_and_ends_of_child_jobs_are_refused() -> None:
    """The error says what can be forked in their place."""
    job = orders.execute("fetch", {"amounts": [10]})
    job.result(LIMIT)
    (join,) = invocations(job, "total")
    with pytest.raises(JobStateError, match="it is a join; fork the invocations that sent"):
        job.fork([join])
    parent = nested.execute("begin", {"amounts": [1]})
    parent.result(LIMIT)
    first, waiter = invocations(parent, "begin")
    with pytest.raises(JobStateError, match="it takes the end of a child job; fork that job"):
        parent.fork([waiter])
    (child,) = outputs(parent.fork([first], edit={first: {"amounts": [2, 3]}}))
    assert child["outputs"][0]["params"] == {"orders": 2, "amount": 5}


def test_a_fork_of_a_child_job_has_no_parent(shared: Installation) -> None:
    """It is a job of its own, as a rerun is."""
    parent = nested.execute("begin", {"amounts": [4]})
    (child,) = outputs(parent)
    fork = JobState(child["job_id"]).fork([1])
    assert outputs(fork) == [{"orders": 1, "amount": 4}]
    assert shared.engine.inspector.describe(fork.job_id)[1].parent_job_id is None


def test_what_is_forked_is_checked() -> None:
    """No job is created when it is refused."""
    job, number = failed_order()
    before = {one.job_id for one in JobState.find(flow="orders")}
    refused = [
        ([number], {number: {"amuont": 1}}, ArgumentError, "does not take the param 'amuont'"),
        ([number], {number: {"amount": object()}}, PayloadError, "cannot travel"),
        ([number], {number: 5}, PayloadError, "text keys"),
        ([number], {1: {"amount": 5}}, InvalidValueError, "not forked: 1"),
        ([number, number], None, InvalidValueError, "each once"),
        ([], None, InvalidValueError, "1 to 100 numbers"),
        (range(1, 10**9), None, InvalidValueError, "1 to 100 numbers"),
        ("5", None, InvalidValueError, "the numbers of invocations"),
        (5, None, InvalidValueError, "the numbers of invocations"),
        (["5"], None, InvalidValueError, "by its number"),
        ([999], None, JobStateError, "the job has no invocation of this number"),
    ]
    for numbers, edit, kind, text in refused:
        with pytest.raises(kind, match=text):
            job.fork(numbers, edit)  # type: ignore[arg-type]
    with pytest.raises(JobNotFoundError):
        JobState("none").fork([1])
    assert {one.job_id for one in JobState.find(flow="orders")} == before
    assert "forked" not in [entry.kind for entry in job.get_execution_history()]


def test_the_command_forks(shared: Installation) -> None:
    """`show` and `history` of both name the other one."""
    shell = Shell(shared)
    job, number = failed_order()
    arguments = [job.job_id, str(number), "--edit", f"{number}:amount=2", "--by", "anna"]
    new = shell.json("fork", *arguments, "--label", "tenant=x")["job_id"]
    set_engine(shared.engine)
    assert outputs(JobState(new)) == [{"orders": 1, "amount": 2}]
    shown = shell.run("show", new).stdout
    assert re.search(rf"^forked from +{job.job_id}$", shown, re.M)
    assert re.search(r"^labels +tenant=x$", shown, re.M)
    assert re.search(rf"^forks +{new}$", shell.run("show", job.job_id).stdout, re.M)
    assert shell.json("show", new)["forked_from"] == job.job_id
    told = shell.run("history", job.job_id).stdout
    assert re.search(rf'forked .*by "anna"  job_id "{new}"  invocations \[{number}\]', told)
    assert re.search(rf'forked_from .*job_id "{job.job_id}"', shell.run("history", new).stdout)
    refused = shell.run("fork", job.job_id, "999", code=1)
    assert "no invocation of this number" in refused.stderr
    shell.run("fork", job.job_id, code=2)
