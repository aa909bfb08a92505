"""Following a job: its events in Python, and ``flowforge history --follow``."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowforge import JobState
from flowforge.errors import InvalidValueError
from flowforge.local.server import LocalServer
from flowforge.model.jobs.job_event import JobEvent
from tests.integration.cli_shell import Shell
from tests.integration.flows import Broken, countdown, single, slow_then_echo
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.support.eventually import eventually


class Reader(threading.Thread):
    """Follows a job in a thread of its own."""

    def __init__(self, events: Iterator[JobEvent]) -> None:
        super().__init__(daemon=True)
        self.found: list[JobEvent] = []
        self._events = events
        self.start()

    def run(self) -> None:
        self.found.extend(event for event in self._events)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.found]

    def all(self) -> list[JobEvent]:
        self.join(LIMIT)
        assert not self.is_alive()
        return self.found


def told(job: JobState) -> list[JobEvent]:
    return list(job.events(until_end=False))


def test_what_happens_comes_as_it_happens(prefork: Installation, tmp_path: Path) -> None:
    """An event is there before the job has ended; the last one says how it ended."""
    gate = tmp_path / "gate"
    job = slow_then_echo().execute("slow", {"log": str(tmp_path / "log"), "gate": str(gate)})
    events = job.events(timeout=LIMIT)
    first = next(events)
    assert (first.kind, first.job_id, first.at) == ("submitted", job.job_id, job.created_at)
    gate.touch()
    slow, echo, end = events
    assert (slow.kind, slow.routine_id, slow.slot, slow.invocation) == (
        "completed",
        "slow",
        "input",
        1,
    )
    assert slow.details["emitted"] == {"output": 1}
    assert echo.routine_id == "echo"
    assert (end.kind, end.details) == ("ended", {"status": "completed", "reason": None})
    assert first.at <= slow.at <= echo.at
    history = [vars(entry) for entry in job.get_execution_history()]
    assert [{**entry, "job_id": job.job_id} for entry in history] == [
        vars(event) for event in (first, slow, echo)
    ]


def test_it_goes_on_behind_any_event(prefork: Installation) -> None:
    """In whichever process; nothing is lost or doubled."""
    job = countdown().execute("it", {"n": 5}).wait(LIMIT)
    events = told(job)
    assert [event.kind for event in events] == ["submitted", *["completed"] * 6, "ended"]
    for place, event in enumerate(events[:-1]):
        assert list(job.events(event.id)) == events[place + 1 :]
    assert list(job.events(events[-1].id)) == events[-1:]


def test_a_failed_job_goes_on_with_its_retry(prefork: Installation, tmp_path: Path) -> None:
    """Its end is the last event, and what follows can be read on from there."""
    files = {"log": str(tmp_path), "mended": str(tmp_path / "mended")}
    job = single(Broken).execute("it", files)
    *_, failed, end = job.events(timeout=LIMIT)
    assert (failed.kind, failed.routine_id) == ("failed", "it")
    assert end.details == {"status": "failed", "reason": job.reason}
    job.retry()
    assert [event.kind for event in job.events(end.id, timeout=LIMIT)] == [
        "retry", "failed", "ended",
    ]  # fmt: skip


def test_a_pause_is_no_end(own: Installation) -> None:
    """Unlike `wait`, which returns; a timeout says why the job does not go on."""
    job = countdown().execute("it", {"n": 1})
    job.pause("look")
    with pytest.raises(TimeoutError, match=f"job {job.job_id} is still paused; it is paused"):
        list(job.events(timeout=0.1))
    reader = Reader(job.events(timeout=LIMIT))
    eventually(lambda: reader.kinds() == ["submitted", "paused"])
    job.resume()
    eventually(lambda: reader.kinds()[2:] == ["resumed"])
    job.cancel()
    assert [event.kind for event in reader.all()[3:]] == ["cancelled", "ended"]


def test_what_is_no_event_is_refused(own: Installation) -> None:
    """When it is called, and not with the first event."""
    job = countdown().execute("it", {"n": 1})
    with pytest.raises(InvalidValueError, match="since must be the id of an event, not 'soon'"):
        job.events("soon")
    with pytest.raises(InvalidValueError, match="timeout must be a number"):
        job.events(timeout="soon")  # type: ignore[arg-type]


def test_an_outage_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The server is killed and comes back while a job runs and is followed."""
    with (
        LocalServer.start(str(tmp_path / "data"), config={"appendfsync": "always"}) as server,
        installed(server, tmp_path, **FAST) as own,
    ):
        own.fleet.start(pool="threads")
        job = countdown().execute("it", {"n": 400})
        reader = Reader(job.events(timeout=LIMIT))
        shell = Shell(own)
        program = shell.program("history", job.job_id, "--follow", "--json", "--limit", "0")
        eventually(lambda: len(reader.found) > 20, message="the first events")
        server.kill()
        server.restart()
        seen = reader.all()
        out, err = program.communicate(timeout=LIMIT)
        assert program.returncode == 0, err
        assert seen[-1].details["status"] == "completed"
        history = [entry.id for entry in job.get_execution_history()]
        assert [event.id for event in seen[:-1]] == history
        lines = [json.loads(line) for line in out.splitlines()]
        assert [line["id"] for line in lines[:-1]] == history
        assert lines[-1]["kind"] == "ended"


class TestCommand:
    """``flowforge history --follow``."""

    def follow(self, own: Installation, job: JobState, *arguments: str) -> Any:
        return Shell(own).program("history", job.job_id, "--follow", *arguments)

    def test_lines_come_as_they_happen(self, prefork: Installation, tmp_path: Path) -> None:
        """Until the job has ended; --since goes on behind one of them."""
        gate = tmp_path / "gate"
        job = slow_then_echo().execute("slow", {"log": str(tmp_path / "log"), "gate": str(gate)})
        program = self.follow(prefork, job, "--json")
        first = json.loads(program.stdout.readline())
        assert (first["kind"], first["job_id"]) == ("submitted", job.job_id)
        gate.touch()
        out, err = program.communicate(timeout=LIMIT)
        assert program.returncode == 0, err
        rest = [json.loads(line) for line in out.splitlines()]
        assert [line["kind"] for line in rest] == ["completed", "completed", "ended"]
        out, _ = self.follow(prefork, job, "--json", "--since", rest[0]["id"]).communicate(
            timeout=LIMIT
        )
        assert [json.loads(line) for line in out.splitlines()] == rest[1:]
        shell = Shell(prefork)
        text = shell.run("history", job.job_id, "--follow", "--routine", "echo").stdout
        assert "slow.input" not in text
        assert text.splitlines()[-1].split()[1:] == ["ended", "status", '"completed"']
        assert len(shell.json("history", job.job_id, "--since", first["id"])) == 2
        text = shell.run("history", job.job_id, "--follow", "--limit", "1").stdout
        assert "slow.input" not in text
        assert "echo.input" in text

    def test_ctrl_c_ends_it(self, own: Installation, tmp_path: Path) -> None:
        """With status 130 and no traceback; the job is left alone."""
        job = countdown().execute("it", {"n": 1})
        program = self.follow(own, job, "--json")
        assert json.loads(program.stdout.readline())["kind"] == "submitted"
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=LIMIT)
        assert (program.returncode, err) == (130, "interrupted\n")
        assert job.status == "pending"
