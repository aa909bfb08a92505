"""Bulk operations on jobs: from Python, from the command line, with the leader killed."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import click.testing
import pytest

from flowforge import Bulk, JobState
from flowforge.engine.current import set_engine
from flowforge.errors import BulkNotFoundError, InvalidValueError
from flowforge.local.server import LocalServer
from flowforge.model.jobs.bulk import BulkProgress
from tests.integration.bulk_flows import charges
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.integration.notes import counted
from tests.support.eventually import eventually

FLOWS = ("tests.integration.bulk_flows",)


@pytest.fixture
def own(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    """For one test, without a worker."""
    with installed(server, tmp_path, FLOWS, **FAST) as installation:
        yield installation


class OwnShell(Shell):
    """Gives the engine of this process back, of which a command leaves none."""

    def run(self, *arguments: str, code: int = 0) -> click.testing.Result:
        result = super().run(*arguments, code=code)
        set_engine(self.installation.engine)
        return result


@pytest.fixture
def shell(own: Installation) -> Shell:
    return OwnShell(own)


def submit(number: int, tmp_path: Path, **labels: str) -> list[JobState]:
    paths = {"gate": str(tmp_path / "gate"), "log": str(tmp_path / "log")}
    params = [{"order": order, **paths} for order in range(number)]
    return charges.execute_many("charge", params, labels=labels)


def statuses(jobs: list[JobState]) -> set[str]:
    return {job.status for job in jobs}


def amounts(progress: BulkProgress) -> tuple[int, int, int, int]:
    return progress.matched, progress.done, progress.refused, progress.left


def test_a_leader_that_is_killed_loses_and_doubles_nothing(
    own: Installation, tmp_path: Path
) -> None:
    """The next leader goes on with a thousand jobs where it was; each is retried once."""
    first = own.fleet.start(pool="solo", concurrency=1, queues="idle")
    own.lead()
    own.fleet.start(pool="threads", concurrency=4)
    jobs = submit(1000, tmp_path)
    eventually(lambda: JobState.flow_counts()["charges"]["failed"] == 1000, LIMIT)
    (tmp_path / "gate").touch()
    bulk = Bulk.retry(JobState.find(status="failed", flow="charges"), rate=400, reason="fix 312")
    eventually(lambda: bulk.progress.done > 200, LIMIT)
    own.fleet.kill(first)
    assert 0 < bulk.progress.left < 800
    eventually(lambda: bulk.progress.status == "done", LIMIT)
    assert amounts(bulk.progress) == (1000, 1000, 0, 0)
    eventually(lambda: JobState.flow_counts()["charges"]["completed"] == 1000, LIMIT)
    assert set(counted(tmp_path / "log").values()) == {1}
    retries = own.engine.link.many(
        [("HGET", own.key("job", job.job_id), "retries") for job in jobs]
    )
    assert set(retries) == {b"1"}


def test_two_people_at_once(own: Installation, tmp_path: Path) -> None:
    """Each job is paused by one of them, and each of them hears of the jobs of the other."""
    jobs = submit(600, tmp_path)
    bulks = [Bulk.pause(JobState.find(flow="charges"), by=by, reason="look") for by in ("a", "b")]
    threads = [threading.Thread(target=bulk.wait) for bulk in bulks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [bulk.progress for bulk in bulks]
    assert [one.status for one in found] == ["done", "done"]
    assert sum(one.done for one in found) == sum(one.refused for one in found) == 600
    assert {refusal.reason for one in found for refusal in one.refusals} == {"it is paused"}
    by = [job.pause_points[0]["by"] for job in jobs[::100]]
    assert set(by) <= {"a", "b"}
    assert all(len(job.pause_points) == 1 for job in jobs[::100])


def test_all_jobs_of_the_search_and_none_that_come_later(own: Installation, tmp_path: Path) -> None:
    """A page stands for its search, with a limit for the newest so many; a list for its jobs."""
    jobs = submit(120, tmp_path, tenant="acme")
    others = submit(3, tmp_path, tenant="other")
    page = JobState.find(labels={"tenant": "acme"}, since=timedelta(hours=1))
    assert len(page) == 50
    bulk = Bulk.pause(page, reason="look", by="kim")
    late = submit(2, tmp_path, tenant="acme")
    assert amounts(bulk.wait(LIMIT).progress) == (120, 120, 0, 0)
    assert statuses(jobs) == {"paused"}
    assert statuses([*others, *late]) == {"pending"}
    assert re.fullmatch("label tenant=acme, created since .* UTC", bulk.info.selection)
    two = JobState.find(labels={"tenant": "acme"}, status="paused", limit=2)
    newest = Bulk.resume(two).wait()
    assert amounts(newest.progress) == (2, 2, 0, 0)
    assert statuses(two) == {"pending"}
    left = [job for job in jobs if job not in two]
    listed = Bulk.resume([left[0], left[1], left[0], others[0]], by="ann").wait()
    assert amounts(listed.progress) == (3, 2, 1, 0)
    (refusal,) = listed.progress.refusals
    assert (refusal.reason, refusal.job_ids) == ("it is pending", [others[0].job_id])
    assert listed.info.selection == "3 jobs by their ids"
    assert [one.bulk_id for one in Bulk.recent(2)] == [listed.bulk_id, newest.bulk_id]


def test_every_action(own: Installation, tmp_path: Path) -> None:
    """With who and why in the history of each job."""
    jobs = submit(3, tmp_path)
    page = JobState.find(flow="charges")
    said: Any = {"reason": "fix 312", "by": "kim"}
    for action in (Bulk.pause, Bulk.resume):
        assert action(page, **said).wait().progress.done == 3
    assert Bulk.retry(page, **said).wait().progress.refused == 3
    labelled = Bulk.label(page, {"stage": "paid", "none": None}, **said).wait()
    assert labelled.info.labels == {"stage": "paid", "none": None}
    assert {tuple(job.labels.items()) for job in jobs} == {(("stage", "paid"),)}
    assert Bulk.cancel(page, **said).wait().progress.done == 3
    told = [(one.kind, one.details.get("by")) for one in jobs[0].get_execution_history()]
    assert told[1:] == [("paused", "kim"), ("resumed", "kim"), ("cancelled", "kim")]
    assert Bulk.delete(page, **said).wait().progress.done == 3
    assert JobState.find(flow="charges") == []


def test_an_operation_is_aborted(own: Installation, tmp_path: Path) -> None:
    """What it has done stays; a timeout leaves it to the workers."""
    submit(30, tmp_path)
    bulk = Bulk.cancel(JobState.find(flow="charges"), rate=1)
    with pytest.raises(TimeoutError, match="has not ended"):
        bulk.wait(0.01)
    bulk.abort(by="ann")
    assert amounts(bulk.wait().progress) == (30, 1, 0, 29)
    assert (bulk.info.aborted_by, bulk.progress.status) == ("ann", "aborted")
    assert Bulk(bulk.bulk_id).info == bulk.info
    bulk.abort(by="bo")
    assert bulk.info.aborted_by == "ann"
    for unknown in ("0" * 12, "x", "a:b"):
        with pytest.raises(BulkNotFoundError):
            Bulk(unknown).abort()


def test_a_preview(own: Installation, tmp_path: Path) -> None:
    """It counts all of them by status, names some, and changes nothing."""
    jobs = submit(70, tmp_path, tenant="acme")
    for job in jobs[:4]:
        job.cancel("", by="x")
    found = Bulk.preview(JobState.find(flow="charges", labels={"tenant": "acme"}))
    assert (found.count, found.statuses["pending"], found.statuses["cancelled"]) == (70, 66, 4)
    assert found.job_ids == [job.job_id for job in JobState.find(limit=5)]
    assert (found.taken("cancel"), found.taken("retry"), found.taken("delete")) == (66, 0, 4)
    assert Bulk.preview(JobState.find(limit=10)).count == 10
    assert Bulk.preview(jobs[:7]).statuses["cancelled"] == 4
    assert Bulk.preview(JobState.find(text="nothing has it")).count == 0
    assert Bulk.recent() == []


def test_what_is_no_operation_is_refused(own: Installation, tmp_path: Path) -> None:
    """Before anything is begun."""
    (job,) = submit(1, tmp_path)
    for jobs in ("all", [job.job_id], job.job_id, 5, None):
        with pytest.raises(InvalidValueError, match=r"JobState\.find"):
            Bulk.cancel(jobs)  # type: ignore[arg-type]
    for rate in (0, -1, "5", True, float("inf"), float("nan")):
        with pytest.raises(InvalidValueError, match="jobs a second"):
            Bulk.cancel([job], rate=rate)  # type: ignore[arg-type]
    for labels in ({}, {"a=b": "c"}, "a=b", {"a": 5}):
        with pytest.raises(InvalidValueError):
            Bulk.label([job], labels)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError):
        Bulk.cancel([job], by="")
    assert Bulk.recent() == []
    assert job.status == "pending"


# --- the command line ----------------------------------------------------------------------


def test_a_command_about_all_that_match(shell: Shell, tmp_path: Path) -> None:
    """Nothing is done before it is confirmed; --yes does it and says what became of it."""
    jobs = submit(60, tmp_path, tenant="acme")
    submit(1, tmp_path)
    jobs[0].cancel()
    chosen = ("--all-matching", "--label", "tenant=acme", "--since", "2h")
    refused = shell.run("cancel", *chosen, code=1)
    assert "nothing was done: confirm it with --yes" in refused.stderr
    assert re.search(r"jobs that fit \(label tenant=acme, .*\): 60\n", refused.stdout)
    assert "to be cancelled: 59 pending\nwill be refused: 1 cancelled\n" in refused.stdout
    assert "and 55 more" in refused.stdout
    assert statuses(jobs[1:]) == {"pending"}
    shown = shell.json("cancel", *chosen, code=1)
    assert (shown["count"], shown["taken"], len(shown["job_ids"])) == (60, 59, 5)
    told = shell.run("cancel", *chosen, "--yes", "--by", "kim", "--reason", "fix 312").stdout
    assert re.search(r"done +59 of 60\nrefused +1\nleft +0\n", told)
    assert f"refused 1: it is cancelled: {jobs[0].job_id}\n" in told
    assert "it was cancelled by kim (fix 312)" in shell.run("explain", jobs[1].job_id).stdout
    (listed,) = shell.json("bulk", "list")
    assert (listed["action"], listed["by"], listed["progress"]["done"]) == ("cancel", "kim", 59)
    assert re.search(r"cancel +done +59 +1 +0 ", shell.run("bulk", "list").stdout)
    deleted = shell.json("delete", "--all-matching", "--status", "cancelled", "--yes")
    assert (deleted["progress"]["matched"], deleted["progress"]["done"]) == (60, 60)


def test_without_options_it_means_every_job(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview says so, and a person is asked."""
    assert "no such jobs" in shell.run("pause", "--all-matching").stderr
    jobs = submit(4, tmp_path)
    said = shell.run("pause", "--all-matching", code=1).stdout
    assert said.startswith("no option chooses jobs: this means EVERY job on the server\n")
    assert "jobs that fit (every job): 4\n" in said
    asked = []
    monkeypatch.setattr("flowforge.cli.options.bulk_options._is_person", lambda: True)
    monkeypatch.setattr("click.confirm", lambda text: asked.append(text) or len(asked) > 1)
    assert "nothing was done" in shell.run("pause", "--all-matching", code=1).stderr
    assert statuses(jobs) == {"pending"}
    assert "4 of 4" in shell.run("pause", "--all-matching").stdout
    assert asked == ["pause 4 jobs?"] * 2


def test_operations_are_left_to_the_workers_shown_and_aborted(shell: Shell, tmp_path: Path) -> None:
    """`--no-wait` begins; `bulk show --watch` looks on until the end."""
    submit(5, tmp_path)
    begun = shell.run("cancel", "--all-matching", "--yes", "--rate", "2", "--no-wait")
    bulk_id = re.findall("bulk operation ([0-9a-f]{12}) has begun", begun.stderr)[0]
    assert shell.json("bulk", "show", bulk_id)["progress"]["left"] == 5
    assert "5 jobs a second" not in shell.run("bulk", "show", bulk_id).stdout
    shell.installation.fleet.start(pool="solo", concurrency=1, queues="idle")
    assert "5 of 5" in shell.run("bulk", "show", bulk_id, "--watch").stdout
    submit(30, tmp_path)
    arguments = ("--all-matching", "--status", "pending", "--yes", "--rate", "0.1", "--no-wait")
    slow = shell.json("cancel", *arguments)["bulk_id"]
    told = shell.run("bulk", "abort", slow, "--by", "ann").stdout
    assert re.search("status +aborted by ann after", told)
    assert "there is no bulk operation" in shell.run("bulk", "show", "x", code=1).stderr


def test_labels_on_the_command_line(shell: Shell, tmp_path: Path) -> None:
    """Of jobs that are named, and of all that match."""
    jobs = submit(3, tmp_path, tenant="acme")
    shell.run("label", jobs[0].job_id, "--set", "stage=paid", "--remove", "tenant")
    assert jobs[0].labels == {"stage": "paid"}
    chosen = ("--all-matching", "--label", "tenant=acme", "--yes")
    shell.run("label", *chosen, "--set", "tenant=apex", "--remove", "stage")
    assert [job.labels for job in jobs[1:]] == [{"tenant": "apex"}] * 2
    for arguments, said in (
        ((jobs[0].job_id,), "give --set"),
        ((jobs[0].job_id, "--remove", "a=b"), "must have no '='"),
        ((jobs[0].job_id, "--set", "a=b", "--by", "kim"), "--all-matching"),
    ):
        assert said in shell.run("label", *arguments, code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cancel",), "give JOB..., or --all-matching"),
        (("cancel", "--status", "failed"), "need --all-matching"),
        (("cancel", "A", "--rate", "5"), "need --all-matching"),
        (("cancel", "A", "--all-matching"), "either JOB... or --all-matching"),
        (("retry", "--all-matching", "--edit", "5:a=1"), "give one JOB"),
        (("pause", "--all-matching", "--checkpoint", "1"), "named one by one"),
        (("delete", "A", "--reason", "x"), "need --all-matching"),
        (("cancel", "--all-matching", "--rate", "0"), "--rate"),
    ],
)
def test_it_has_to_be_clear_which_jobs(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    """A wrong use is told before the server is asked."""
    assert said in shell.run(*arguments, code=2).stderr


def test_an_interrupted_command_leaves_the_work_to_the_workers(
    shell: Shell, own: Installation, tmp_path: Path
) -> None:
    """Ctrl-C ends the command, and says how to look and how to end the operation."""
    submit(100, tmp_path)
    command = shell.program("cancel", "--all-matching", "--yes", "--rate", "5")
    eventually(lambda: own.redis.zcard(own.key("active_bulks")), LIMIT)
    command.send_signal(signal.SIGINT)
    _, said = command.communicate(timeout=LIMIT)
    assert command.returncode == 130
    bulk_id = re.findall("end it with `bulk abort ([0-9a-f]{12})`", said)[0]
    assert Bulk(bulk_id).progress.status == "running"
    assert json.loads(shell.run("bulk", "abort", bulk_id, "--json").stdout)["ended_at"]
