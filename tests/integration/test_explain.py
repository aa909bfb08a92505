"""What is said of jobs that wait, run or have ended, with a real worker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState
from flowforge.engine.current import set_engine
from flowforge.local.server import LocalServer
from flowforge.model.job_finding import JobFinding
from tests.integration.cli_shell import Shell
from tests.integration.explain_flows import failing, gpu, held, joining, retried, starting
from tests.integration.installation import FAST, Installation, installed, outlive_lease
from tests.support.eventually import eventually

#: A job that hangs must not hold up the suite for long.
pytestmark = [pytest.mark.timeout(60), pytest.mark.usefixtures("no_settings")]


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared by the module: a worker with two processes that serves one queue."""
    directory = tmp_path_factory.mktemp("explain")
    with installed(server, directory, ("tests.integration.explain_flows",), **FAST) as shared:
        shared.fleet.start()
        yield shared


@pytest.fixture(autouse=True)
def _engine(site: Installation) -> None:
    """A command of an earlier test has left this process without an engine."""
    set_engine(site.engine)


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
    job.pause("look")
    assert [one.kind for one in job.explain()] == ["paused", "running"]
    assert "it is paused: look; 1 handlers still run" in first(job, "paused").what
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
    job.cancel("enough")
    assert [(one.kind, one.what) for one in job.explain()] == [
        ("cancelled", "it was cancelled: enough")
    ]


def test_a_failure_says_where_and_what_to_do(site: Installation) -> None:
    """With the command that continues the job."""
    job = failing.execute("charge", {"amount": 41}).wait(20)
    (finding,) = job.explain()
    assert (finding.kind, finding.invocation) == ("failed", 1)
    assert "41 is more than the card allows" in finding.what
    assert finding.command == f"flowforge retry {job.job_id}"


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
    assert "the join all.items has 1 items and waits for held (1 outstanding)" in found["join"].what
    assert found["join"].until is not None
    path.touch()
    assert job.wait(20).status == "completed"


def test_explain_with_json(site: Installation) -> None:
    """A list of findings, as plain values."""
    job = failing.execute("charge", {"amount": 43}).wait(20)
    (finding,) = json.loads(Shell(site).run("explain", job.job_id, "--json").stdout)
    assert set(finding) == set(JobFinding("", "").__dataclass_fields__)
    assert finding["kind"] == "failed"
