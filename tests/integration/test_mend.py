"""Mending jobs by hand, with real workers: edit, skip, run now, retry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowforge import Flow, JobState
from flowforge.engine.control import Control
from flowforge.engine.current import set_engine
from flowforge.errors import (
    ArgumentError,
    EmissionError,
    InvalidValueError,
    JobNotFoundError,
    JobStateError,
    PayloadError,
)
from flowforge.local.server import LocalServer
from flowforge.model import registry
from flowforge.model.jobs.status import JobStatus
from tests.integration.cli_shell import Shell
from tests.integration.flows import One, Secretive, single
from tests.integration.installation import FAST, LIMIT, Installation, installed, kinds, outputs
from tests.integration.mend_flows import Charge, Total, holding, orders, patient
from tests.support.eventually import eventually

WHO = r"anna at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One worker for all of these tests."""
    flows = ("tests.integration.mend_flows",)
    with installed(server, tmp_path_factory.mktemp("mend"), flows, **FAST) as found:
        found.fleet.start(pool="threads", concurrency=2)
        yield found


@pytest.fixture(autouse=True)
def engine(shared: Installation) -> None:
    """The engine of this process: a command of the command line leaves none."""
    set_engine(shared.engine)


@pytest.fixture
def shell(shared: Installation) -> Shell:
    return Shell(shared)


def poisoned(flow: Flow, *amounts: object) -> tuple[JobState, int]:
    """A job that waits for somebody, and the number of the invocation that it waits for."""
    job = flow.execute("fetch", {"amounts": list(amounts)})
    if flow is orders:
        assert job.wait(LIMIT).status == "failed"
        return job, number_of(job, "failed")
    eventually(lambda: job.counts["timers"] == 1 and sum(job.counts.values()) == 1)
    return job, number_of(job, "retried")


def number_of(job: JobState, kind: str) -> int:
    entry = next(e for e in reversed(job.get_execution_history()) if e.kind == kind)
    assert entry.invocation is not None
    return entry.invocation


def total(job: JobState) -> dict[str, object]:
    (found,) = outputs(job)
    return found


def test_a_poison_row_is_edited_and_the_job_completes() -> None:
    """The history keeps who, when and what, without secrets."""
    job, number = poisoned(orders, 10, -5, 30)
    job.retry(edit={number: {"amount": 20, "card": "other card"}}, by="anna")
    assert total(job) == {"orders": 3, "amount": 60}
    history = job.get_execution_history("charge")
    (entry,) = [entry for entry in history if entry.kind == "edited"]
    assert (entry.invocation, entry.slot) == (number, "input")
    assert entry.details == {
        "by": "anna",
        "changes": {"amount": {"old": "-5", "new": "20"}, "card": {"old": "***", "new": "***"}},
    }
    retried = [e for e in job.get_execution_history() if e.kind == "retry"]
    assert [e.details for e in retried] == [{"by": "anna"}]


def test_a_poison_row_is_skipped_and_the_join_downstream_fires() -> None:
    """The emission goes through the connection, as the handler's would."""
    job, number = poisoned(orders, 10, -5, 30)
    job.skip(number, emit=[("charged", {"order_id": 2, "amount": 5})], by="anna")
    assert job.status == "failed"
    job.retry()
    assert total(job) == {"orders": 3, "amount": 45}
    (entry,) = [e for e in job.get_execution_history() if e.kind == "skipped_by_hand"]
    assert entry.details == {"by": "anna", "emitted": {"charged": 1}}
    assert job.routine_states["charge"]["status"] in ("skipped", "completed")


def test_a_retry_is_edited_and_made_to_run() -> None:
    """The job does not wait for its timer."""
    job, number = poisoned(patient, 10, -5)
    job.edit(number, {"amount": 7})
    job.run_now(number)
    assert total(job) == {"orders": 2, "amount": 17}


def test_what_waits_for_a_retry_is_skipped() -> None:
    """Without an emission the others are all that the join gets."""
    job, number = poisoned(patient, 10, -5)
    job.skip(number)
    assert total(job) == {"orders": 1, "amount": 10}


def test_of_two_people_one_wins_and_the_other_is_told() -> None:
    """By whom, and when."""
    job, number = poisoned(orders, -5)
    job.skip(number, by="anna")
    for late in (lambda: job.skip(number), lambda: job.edit(number, {"amount": 1})):
        with pytest.raises(JobStateError, match=f"it was skipped by {WHO}"):
            late()
    job.retry(by="anna")
    for late in (job.retry, lambda: job.retry(edit={number: {"amount": 1}})):
        with pytest.raises(JobStateError, match=f"only a failed job.*it was retried by {WHO}"):
            late()
    assert job.result(LIMIT) == []
    with pytest.raises(JobStateError, match=f"it was skipped by {WHO}"):
        job.run_now(number)


def test_two_people_retry_with_params_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job runs with those of the later one, and the earlier one is told that it does not."""
    job, number = poisoned(orders, -5)
    retry = Control.retry

    def later(self: Control, *arguments: Any) -> JobStatus | None:
        monkeypatch.undo()
        job.edit(number, {"amount": 7}, by="anna")
        return retry(self, *arguments)

    monkeypatch.setattr(Control, "retry", later)
    with pytest.raises(JobStateError, match="somebody else has edited the same params"):
        job.retry(edit={number: {"amount": 9}})
    assert job.status == "failed"
    job.retry(by="anna")
    assert total(job) == {"orders": 1, "amount": 7}


def test_what_runs_is_left_alone(tmp_path: Path) -> None:
    """The error names the worker; afterwards it says how the invocation has ended."""
    gate = tmp_path / "gate"
    job = holding.execute("hold", {"gate": str(gate)})
    try:
        eventually(Path(f"{gate}.held").exists, message="the handler's start")
        for verb in (lambda: job.edit(1, {"gate": ""}), lambda: job.skip(1)):
            with pytest.raises(JobStateError, match="it runs on worker w1-"):
                verb()
        with pytest.raises(JobStateError, match="it runs on worker"):
            job.run_now(1)
    finally:
        gate.touch()
    job.result(LIMIT)
    with pytest.raises(JobStateError, match="it has ended: completed at"):
        job.skip(1)


def test_an_edit_is_checked_like_any_params() -> None:
    """Nothing is changed when it is refused."""
    job, number = poisoned(orders, -5)
    refused = [
        ({"amuont": 20}, False, ArgumentError, "charge.input does not take the param 'amuont'"),
        ({"amount": 20}, True, ArgumentError, "charge.input was called without"),
        ({"amount": object()}, False, PayloadError, "cannot travel"),
        ({"card": "x" * 2**21}, False, PayloadError, "the limit is"),
        ({1: 2}, False, PayloadError, "text keys"),
    ]
    for params, replace, kind, text in refused:
        with pytest.raises(kind, match=text):
            job.edit(number, params, replace=replace)  # type: ignore[arg-type]
    for wrong in (0, "5", True):
        with pytest.raises(InvalidValueError, match="by its number"):
            job.edit(wrong, {})  # type: ignore[arg-type]
    with pytest.raises(JobStateError, match="the job has no invocation of this number"):
        job.edit(99, {})
    with pytest.raises(JobNotFoundError):
        JobState("none").edit(1, {})
    assert "edited" not in [entry.kind for entry in job.get_execution_history()]
    job.edit(number, {"order_id": 1, "amount": 2, "card": "c"}, replace=True)
    job.retry()
    assert total(job) == {"orders": 1, "amount": 2}


def test_emissions_of_a_skip_are_checked() -> None:
    """Against the events of the routine, and as any params."""
    job, number = poisoned(orders, -5)
    refused = [
        ([("paid", {})], EmissionError, "routine 'charge' has no event 'paid'; it has: 'charged'"),
        ([("charged", {"amuont": 5})], EmissionError, "declares: 'order_id', 'amount'. Did you"),
        ([("charged", {"amount": object()})], PayloadError, "cannot travel"),
        ([("charged", 5)], PayloadError, "text keys"),
        ("charged", InvalidValueError, "emit must be a list"),
        (["charged"], InvalidValueError, "an emission is an event and its params"),
        ([("charged", {})] * 201, EmissionError, "at most 200"),
    ]
    for emit, kind, text in refused:
        with pytest.raises(kind, match=text):
            job.skip(number, emit=emit)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="1 to 200 characters"):
        job.skip(number, by="")
    assert job.counts["parked"] == 1


def test_a_join_has_no_params_to_edit() -> None:
    """The error says what can be done."""
    job, number = poisoned(orders, -5)
    job.skip(number, emit=[("charged", {"order_id": 1, "amount": "five"})])
    job.retry()
    assert job.wait(LIMIT).status == "failed"
    join = number_of(job, "failed")
    with pytest.raises(JobStateError, match="it is a join"):
        job.edit(join, {"items": []})
    job.skip(join, emit=[("total", {"amount": 5})])
    job.retry()
    assert total(job) == {"amount": 5}


def test_a_job_is_run_again_with_other_params() -> None:
    """With the labels, the priority and the entry of the first one."""
    job, _ = poisoned(orders, -5)
    job.label(tenant="acme")
    again = job.rerun({"amounts": [1, 2]})
    assert total(again) == {"orders": 2, "amount": 3}
    assert (again.flow_id, again.labels) == ("orders", {"tenant": "acme"})
    assert job.status == "failed"
    assert total(again.rerun()) == {"orders": 2, "amount": 3}
    with pytest.raises(InvalidValueError, match="'latest' or 'same'"):
        job.rerun({}, definition="newest")


def test_a_job_is_not_run_again_with_params_that_are_not_kept() -> None:
    """Secret ones, and those of a job that is too old or too large to have them."""
    secret = Flow("secretive")
    secret.add_routine(Secretive, "it")
    job = secret.execute("it", {"user": "eve", "password": "correct-horse"})
    with pytest.raises(InvalidValueError, match=r"secret .* \('password'\): give the params"):
        job.rerun()
    large = single(One).execute("it", {"n": 1, "more": "x" * 10_000})
    assert large.params is None
    with pytest.raises(InvalidValueError, match="too large"):
        large.rerun()


def test_a_job_is_run_again_with_the_definition_of_the_newest_or_its_own() -> None:
    """The newest job of the flow says which definition was deployed last."""
    former = Flow("changed")
    former.add_routine(Charge, "charge")
    job = former.execute("charge", {"order_id": 1, "amount": -1, "card": "c"})
    later = Flow("changed")
    later.add_routine(Charge, "charge")
    later.add_routine(Total, "total")
    later.connect("charge", "charged", "total", "input", {"amount": "paid"})
    later.execute("charge", {"order_id": 1, "amount": 1, "card": "c"}).result(LIMIT)
    params = {"order_id": 1, "amount": 4, "card": "c"}
    assert total(job.rerun(params)) == {"orders": 1, "amount": 4}
    assert total(job.rerun(params, definition="same")) == {"order_id": 1, "amount": 4}
    moved = Flow("changed")
    moved.add_routine(Total, "total")
    moved.execute("total", {"paid": 1}).result(LIMIT)
    with pytest.raises(ValueError, match="'charge'"):
        job.rerun(params)


# --- on the command line -----------------------------------------------------------------


def test_the_commands_mend(shell: Shell) -> None:
    """Each says how the job stands then, and what is left to do."""
    job, number = poisoned(orders, 10, -5)
    refused = shell.run("edit", job.job_id, "99", "--param", "amount=1", code=1)
    assert "no invocation of this number" in refused.stderr
    shell.run("edit", job.job_id, str(number), "--param", "amount=0", "--by", "anna")
    result = shell.run("retry", job.job_id, "--edit", f"{number}:amount=20", "--by", "bob")
    assert re.match(rf"job {job.job_id} is (pending|running|completed)", result.stdout)
    assert total(job) == {"orders": 2, "amount": 30}
    shown = shell.run("history", job.job_id).stdout
    assert re.search(r"edited .*charge\.input +by \"anna\"  amount: -5 -> 0", shown)
    assert re.search(r"edited .*charge\.input +by \"bob\"  amount: 0 -> 20", shown)
    assert re.search(r"retry +by \"bob\"", shown)


def test_the_commands_refuse_a_param_that_is_unknown(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is written, although a command has not imported the class of the handler."""
    job, number = poisoned(orders, 10, -5)
    jobs = len(JobState.find(flow="orders", limit=1000))
    monkeypatch.setattr(registry, "known", dict)
    typo = ["--edit", f"{number}:amout=20"]
    for command in (
        ["edit", job.job_id, str(number), "--param", "amout=20"],
        ["retry", job.job_id, "--edit", f"{number}:order_id=9", *typo],
        ["fork", job.job_id, str(number), *typo],
    ):
        result = shell.run(*command, code=1)
        assert "there is no param 'amout'" in result.stderr
        assert "Did you mean 'amount'? To add it" in result.stderr
        assert "--new-params" in result.stderr
    rerun = ["rerun", job.job_id, "--param", "amout=[1]"]
    assert "Did you mean 'amounts'?" in shell.run(*rerun, code=1).stderr
    assert job.status == "failed"
    assert "edited" not in kinds(job)
    set_engine(shell.installation.engine)
    assert len(JobState.find(flow="orders", limit=1000)) == jobs
    shell.run("fork", job.job_id, str(number), *typo, "--new-params")
    shell.run("rerun", job.job_id, "--param", "amounts=[1]", "--param", "note=x", "--new-params")
    shell.run("edit", job.job_id, str(number), "--param", "note=x", "--new-params")
    shell.run("retry", job.job_id, "--edit", f"{number}:amount=20", *typo, "--new-params")
    assert total(job) == {"orders": 2, "amount": 30}


def test_entry_params_of_a_rerun_are_checked() -> None:
    """Where the class is imported here, also whether the handler can be called."""
    job, _ = poisoned(orders, -5)
    with pytest.raises(ArgumentError, match=r"fetch.* does not take the param 'amout'"):
        job.rerun({"amout": [1]}, new_params=True)
    with pytest.raises(ArgumentError, match="called without 'amounts'"):
        job.rerun({"gate": ""})
    with pytest.raises(PayloadError, match="must be a dict"):
        job.rerun([1])  # type: ignore[arg-type]


def test_emissions_of_a_skip_have_the_params_that_the_event_declares(shell: Shell) -> None:
    """Others need a word more, and an event that declares none may have any."""
    job, number = poisoned(orders, 10, -5)
    emit = ["--emit", "charged", '{"order_id": 2, "amout": 5}']
    result = shell.run("skip", job.job_id, str(number), *emit, code=1)
    assert "it declares: 'order_id', 'amount'. Did you mean 'amount'?" in result.stderr
    assert job.counts["parked"] == 1
    more = ["--emit", "charged", '{"order_id": 2, "amount": 5, "note": "x"}', "--new-params"]
    shell.run("skip", job.job_id, str(number), *more)
    shell.run("retry", job.job_id)
    assert total(job) == {"orders": 2, "amount": 15}


def test_explain_offers_to_retry_with_other_params(shell: Shell) -> None:
    """With the number of the invocation, and the param that the error names, as it is."""
    job, number = poisoned(orders, -5)
    (finding,) = job.explain()
    assert finding.command == f"flowforge retry {job.job_id}"
    edit = f"flowforge retry {job.job_id} --edit {number}:amount=-5"
    assert finding.details["edit_command"] == edit
    shown = shell.run("explain", job.job_id).stdout
    assert f"-> flowforge retry {job.job_id}, with other params {edit}" in " ".join(shown.split())
    shell.run(*edit.replace("amount=-5", "amount=7").split()[1:])
    assert total(job) == {"orders": 1, "amount": 7}


def test_the_commands_skip_and_run_now(shell: Shell) -> None:
    """With an emission as JSON; a failed job stays failed, and the command says so."""
    job, number = poisoned(orders, 10, -5)
    other, waiting = poisoned(patient, -5)
    charged = ["--emit", "charged", '{"order_id": 2, "amount": 20}']
    result = shell.run("skip", job.job_id, str(number), *charged)
    assert f"job {job.job_id} is failed" in result.stdout
    assert f"continue it with `flowforge retry {job.job_id}`" in result.stderr
    shell.run("retry", job.job_id)
    assert total(job) == {"orders": 2, "amount": 30}
    shell.run("edit", other.job_id, str(waiting), "--params-json", '{"amount": 3}')
    assert shell.json("run-now", other.job_id, str(waiting))["job_id"] == other.job_id
    assert total(other) == {"orders": 1, "amount": 3}
    new = shell.json("rerun", other.job_id, "--params-json", '{"amounts": [5]}')["job_id"]
    assert new != other.job_id
    assert total(JobState(new, shell.installation.engine)) == {"orders": 1, "amount": 5}
    same = shell.json("rerun", new)["job_id"]
    assert total(JobState(same, shell.installation.engine)) == {"orders": 1, "amount": 5}


@pytest.mark.parametrize(
    "arguments",
    [
        ["retry", "j", "--edit", "amount=20"],
        ["retry", "j", "--edit", "5:amount"],
        ["edit", "j", "5"],
        ["rerun", "j", "--params-json", "[]"],
        ["edit", "j", "5", "--params-json", "[]"],
        ["edit", "j", "0", "--param", "a=1"],
        ["skip", "j", "5", "--emit", "charged", "{"],
        ["skip", "j", "5", "--emit", "charged", "5"],
    ],
)
def test_wrong_use_is_refused(shell: Shell, arguments: list[str]) -> None:
    """With status 2, before the server is asked."""
    shell.run(*arguments, code=2)


def test_items_of_a_newer_version_wait_for_a_newer_worker(shared: Installation) -> None:
    """A join of a mixed fleet is given back, as an invocation is: it does not fail its job."""
    job, number = poisoned(patient, 10, -5)
    key = shared.key("collected", job.job_id)
    stored = shared.redis.hgetall(key)
    assert stored
    for field, record in stored.items():
        shared.redis.hset(key, field, record[:1] + b"\x63" + record[2:])
    job.skip(number, emit=[("charged", {"order_id": 2, "amount": 5})])
    eventually(lambda: "released" in kinds(job))
    assert job.status == "running"
    for field, record in stored.items():
        shared.redis.hset(key, field, record)
    assert outputs(job) == [{"orders": 2, "amount": 15}]
