"""What is said of jobs that wait, run or have ended, with a real worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState, Queue
from flowforge.engine.current import set_engine
from flowforge.engine.fleet.queues import queues
from flowforge.engine.workers import Fleet
from flowforge.local.server import LocalServer
from flowforge.model.jobs.job_finding import JobFinding
from tests.integration.cli_shell import FLOWS, Shell
from tests.integration.explain_flows import failing, gpu, held, joining, retried, starting
from tests.integration.installation import FAST, LIMIT, Installation, installed, outlive_lease
from tests.support.eventually import eventually

#: A job that hangs must not hold up the suite for long.
pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_settings")]


@pytest.fixture(scope="module")
def shared(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared by the module: a worker with two processes that serves one queue."""
    directory = tmp_path_factory.mktemp("explain")
    with installed(server, directory, ("tests.integration.explain_flows",), **FAST) as installation:
        installation.fleet.start()
        yield installation


@pytest.fixture
def site(shared: Installation) -> Installation:
    """The same; a command of an earlier test has left this process without an engine."""
    set_engine(shared.engine)
    return shared


def first(job: JobState, kind: str) -> JobFinding:
    """The first finding, once it is of this kind."""

    def found() -> JobFinding | None:
        findings = job.explain()
        return findings[0] if findings and findings[0].kind == kind else None

    finding = eventually(found, message=lambda: f"{kind}, not {job.explain()}")
    assert finding is not None
    return finding


def test_who_runs_a_handler_since_when(site: Installation, tmp_path: Path) -> None:
    """Worker, process, attempt, params without secrets; the time of the claim outlives renewals."""
    path = tmp_path / "gate"
    job = held.execute("step", {"path": str(path), "card": "4111"})
    early = first(job, "running")
    outlive_lease(site, job)
    finding = first(job, "running")
    eventually(Path(f"{path}.held").exists, message="a running handler")
    assert early.since is not None
    assert finding.since is not None
    assert abs((finding.since - early.since).total_seconds()) < 0.01
    assert finding.since >= job.created_at
    (worker,) = site.fleet.workers
    assert finding.details["worker"].startswith(f"{worker.name}@")
    assert finding.details["pid"] == int(Path(f"{path}.held").read_text())
    assert finding.details["attempt"] == 1
    assert finding.details["params"] == {"path": str(path), "card": "***"}
    assert finding.details["last_heartbeat"] > finding.since
    assert (finding.routine_id, finding.slot, finding.invocation) == ("step", "input", 1)
    shell = Shell(site)
    told = f"running        step.input (invocation 1) runs on {finding.details['worker']}, process"
    for command in ("explain", "show"):
        assert shell.run(command, job.job_id).stdout.startswith(told)
    assert told in shell.run("history", job.job_id).stdout
    assert shell.json("show", job.job_id)["explanation"][0]["kind"] == "running"
    job.pause("look", by="kim")
    assert [one.kind for one in job.explain()] == ["paused", "running"]
    assert "it is paused by kim (look); handlers that still run: 1" in first(job, "paused").what
    assert first(job, "paused").details == {"reason": "look", "by": "kim"}
    assert "it is paused by kim (look)" in shell.run("show", job.job_id).stdout
    job.resume()
    path.touch()
    job.wait(20)
    assert [one.kind for one in job.explain()] == ["completed"]
    assert not shell.run("show", job.job_id).stdout.startswith("completed")


def test_a_retry_says_when_and_why(site: Installation) -> None:
    """Due time and error of the attempt before."""
    job = retried.execute("charge", {"amount": 40})
    finding = first(job, "timer")
    assert finding.until is not None
    assert finding.since is not None
    assert 0 <= (finding.until - finding.since).total_seconds() - 600 < 5
    assert finding.details["error"]["message"] == "40 is more than the card allows"
    assert "attempt 1 failed with ValueError: 40 is more" in finding.what
    assert finding.command == f"flowforge run-now {job.job_id} 1"
    job.cancel("enough", by="kim")
    assert [(one.kind, one.what) for one in job.explain()] == [
        ("cancelled", "it was cancelled by kim (enough)")
    ]


def test_a_failure_says_where_and_what_to_do(site: Installation) -> None:
    """With the command that continues the job."""
    job = failing.execute("charge", {"amount": 41}).wait(20)
    (finding,) = job.explain()
    assert (finding.kind, finding.invocation) == ("failed", 1)
    assert "41 is more than the card allows" in finding.what
    assert finding.command == f"flowforge retry {job.job_id}"
    assert finding.details["params"] == {"amount": 41}
    assert '; params {"amount": 41}, since' in Shell(site).run("explain", job.job_id).stdout


def test_a_queue_without_a_worker(site: Installation) -> None:
    """The command that starts one; a wait that times out says the same, as does a parent job."""
    job = gpu.execute("charge", {"amount": 42})
    finding = first(job, "unserved")
    assert finding.command == "flowforge worker -Q gpu"
    with pytest.raises(TimeoutError, match=r"is still pending; no worker reports .* 'gpu'") as late:
        job.wait(0.05)
    assert str(late.value).endswith(": flowforge worker -Q gpu")
    above = starting.execute("start")
    waits = first(above, "child")
    assert (waits.command, waits.details["kind"]) == (finding.command, "unserved")
    assert "start (invocation 2) waits for its child job" in waits.what
    assert "no worker reports that it serves the queue 'gpu'" in waits.what
    child = JobState(waits.details["job_id"])
    above.pause("by hand")
    blocked = first(child, "parent")
    assert blocked.command == f"flowforge resume {above.job_id}"
    assert "is paused: by hand" in blocked.what


def test_a_join_names_what_it_waits_for(site: Installation, tmp_path: Path) -> None:
    """The routines above it that have work, and the end of its time."""
    path = tmp_path / "gate"
    job = joining.execute("spread", {"path": str(path)})
    eventually(Path(f"{path}.held").exists, message="a running handler")
    found = {one.kind: one for one in job.explain()}
    assert set(found) == {"running", "join"}
    assert found["join"].details["outstanding"] == {"held": 1}
    assert "the join all.items has 1 item and waits for held (1 outstanding)" in found["join"].what
    assert found["join"].until is not None
    path.touch()
    assert job.wait(20).status == "completed"


def test_explain_with_json(site: Installation) -> None:
    """A list of findings, as plain values."""
    job = failing.execute("charge", {"amount": 43}).wait(20)
    (finding,) = json.loads(Shell(site).run("explain", job.job_id, "--json").stdout)
    assert set(finding) == set(JobFinding("", "").__dataclass_fields__)
    assert finding["kind"] == "failed"


# --- without a worker ------------------------------------------------------------------------


def test_a_message_has_its_place_in_the_queue(idle: Shell) -> None:
    """The workers that serve it are named; and that one of them has fetched it."""
    ahead, job_id = idle.submit("numbers"), idle.submit("numbers")
    idle.report_worker("w@host", queues=["celery"], routines=[f"{FLOWS}.start"])
    (finding,) = idle.json("explain", job_id)
    assert (finding["kind"], finding["details"]["position"]) == ("queued", 2)
    assert finding["details"]["workers"] == ["w@host"]
    assert "start.input (invocation 1) is number 2 of 2; served by w@host" in finding["what"]
    idle.installation.redis.rpop(idle.installation.broker_list())
    (finding,) = idle.json("explain", ahead)
    assert "a worker has fetched that of start.input (invocation 1)" in finding["what"]


def test_a_class_that_no_worker_knows(idle: Shell) -> None:
    """With the module that is to be imported."""
    job_id = idle.submit("numbers")
    idle.report_worker("w@host", queues=["celery"], routines=[])
    finding, queued = idle.json("explain", job_id)
    assert (finding["kind"], finding["details"]["class"]) == ("unknown_class", f"{FLOWS}.start")
    assert finding["command"].startswith(f"add {FLOWS} to FLOWFORGE_IMPORTS")
    assert queued["kind"] == "queued"


def test_what_is_parked_has_no_room(idle: Shell) -> None:
    """In ``max_in_flight``, or on the queue, where a job has few messages at once."""
    job_id = idle.submit("numbers")
    idle.fields(job_id, waiting=5)
    _, parked = idle.json("explain", job_id)
    assert (parked["kind"], parked["count"]) == ("in_turn", 5)
    idle.fields(job_id, window=1)
    _, parked = idle.json("explain", job_id)
    assert parked["kind"] == "max_in_flight"
    assert "1 is queued or running, as many as max_in_flight=1 allows" in parked["what"]


def test_a_job_that_nothing_moves_on(idle: Shell) -> None:
    """And one whose parent has ended, which the upkeep is going to cancel."""
    job_id, parent = idle.submit("numbers"), idle.submit("numbers")
    idle.fields(job_id, queued=0)
    (finding,) = idle.json("explain", job_id)
    assert (finding["kind"], "flowforge pause" in finding["command"]) == ("stuck", True)
    idle.fields(parent, status="cancelled")
    idle.fields(job_id, queued=1, parent=f"{parent}/2.0.99999")
    finding = idle.json("explain", job_id)[0]
    assert (finding["kind"], finding["command"]) == ("parent", None)
    assert f"job {parent}, which has started it, is cancelled: the upkeep" in finding["what"]


def test_a_handler_of_an_earlier_release(idle: Shell) -> None:
    """Its token names neither worker nor process, and its lease the latest renewal alone."""
    job_id = idle.submit("numbers")
    engine = idle.installation.engine
    engine.store.invocations.claim(job_id, "1.0.0", "t", 15_000)
    (finding,) = idle.json("explain", job_id)
    assert (finding["kind"], finding["details"]["worker"]) == ("running", None)
    assert finding["details"]["pid"] is None
    assert "start.input (invocation 1) runs on an unknown worker; attempt 1" in finding["what"]
    assert finding["since"] == finding["details"]["last_heartbeat"]
    idle.installation.redis.zadd(idle.installation.key("leases"), {f"{job_id}/1.0.0/t": 1})
    assert "its lease has expired" in idle.json("explain", job_id)[0]["what"]


def test_a_paused_queue_and_its_resume(site: Installation, tmp_path: Path) -> None:
    """What workers pop meanwhile is put back; the job stays pending, and the finding says who."""
    path, queue = tmp_path / "gate", Queue("celery")
    path.touch()
    assert queue.pause("night", by="kim")
    jobs = [held.execute("step", {"path": str(path)}) for _ in range(3)]
    finding = first(jobs[0], "queue_paused")
    assert finding.what == "queue 'celery' is paused by kim (night): 1 message of the job waits"
    assert finding.command == "flowforge queues resume celery"
    assert jobs[0].status == "pending"
    assert queue.resume()
    for job in jobs:
        assert job.wait(LIMIT).status == "completed"


def test_the_turn_of_a_fair_key(site: Installation, tmp_path: Path) -> None:
    """Its worker runs what its key had before; the queue counts what waits for turns."""
    path = tmp_path / "gate"
    many = held.execute_many("step", [{"path": str(path)}] * 40, fair_key="large")
    job = held.execute("step", {"path": str(path)}, fair_key="small", weight=2)
    finding = first(many[-1], "fair_turn")
    assert finding.what.startswith(
        "step.input (invocation 1) waits for its turn on the queue 'celery': fair key 'large' has "
    )
    assert finding.details["weight"] == 1
    entered = finding.details["entered"]
    assert entered
    shown = f"{entered} messages are" if entered > 1 else "1 message is"
    assert f", and {shown} in the queue whose turns have come; served by " in finding.what
    assert finding.details["waiting"] == finding.details["ahead"] + 1
    assert max(one.waiting for one in queues(site.engine, Fleet(site.engine.store))) > 30
    path.touch()
    for one in [job, *many]:
        assert one.wait(LIMIT).status == "completed"
