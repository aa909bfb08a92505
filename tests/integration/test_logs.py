"""What a worker's log says of handlers, on every pool of Celery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowforge import JobState, configure
from flowforge.composition import forget
from flowforge.local.server import LocalServer
from flowforge.worker.run.log_keeper import FIRST_LINES, LAST_LINES
from tests.integration.cli_shell import Shell
from tests.integration.installation import LIMIT, Installation, installed
from tests.integration.log_flows import chat, flood, halves, telling, waiting
from tests.support.eventually import eventually
from tests.support.fleet import Worker

FLOWS = "tests.integration.log_flows"

#: How each line of ``chatty`` begins.
SAID = ("logged", "task-logged", "printed", "complained", "caught")

#: Lines that are kept of each job.
KEPT = 600

POOLS = ("prefork", "spawn", "threads", "solo", "gevent")


@pytest.fixture(scope="module", params=POOLS)
def pool(
    request: pytest.FixtureRequest, server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A worker of the pool that logs JSON."""
    directory = tmp_path_factory.mktemp(request.param)
    spawned = request.param == "spawn"
    with installed(server, directory, [FLOWS], log_format="json", keep_logs=KEPT) as installation:
        installation.fleet.start(
            pool="prefork" if spawned else request.param,
            configuration=["worker.pool_start_method=spawn"] if spawned else [],
        )
        yield installation


def run(text: str) -> JobState:
    job = chat.execute("it", {"text": text}).wait(LIMIT)
    assert job.status == "completed"
    return job


def lines(worker: Worker, text: str) -> list[str]:
    """The lines that say the text, once all are there."""

    def said() -> list[str]:
        logged = worker.output().splitlines()
        return [line for line in logged if any(f"{how} {text}" in line for how in SAID)]

    eventually(lambda: len(said()) >= len(SAID), message="the lines of the handler")
    return said()


def test_each_line_of_a_handler_names_its_invocation(pool: Installation) -> None:
    """What it logs, by whichever logger, and what it prints, on every pool."""
    job = run("hello")
    (worker,) = pool.fleet.workers
    found: dict[str, dict[str, Any]] = {}
    for line in lines(worker, "hello"):
        entry = json.loads(line)
        found[entry["message"].partition(" ")[0]] = entry
        assert {name: entry[name] for name in ("job", "flow", "routine", "slot")} == {
            "job": job.job_id,
            "flow": "chat",
            "routine": "it",
            "slot": "input",
        }
        assert (entry["invocation"], entry["attempt"]) == (f"{job.job_id}-1", 1)
        assert entry["worker"].startswith(f"{worker.name}@")
    assert set(found) == set(SAID)
    assert found["caught"]["exception"].endswith("KeyError: 'hello'")
    assert found["printed"]["logger"] == "celery.redirected"


def test_every_line_of_the_log_is_json(pool: Installation) -> None:
    """From the first one that is logged, but for what billiard says of a child that it spawns.

    Celery prints its banner before.
    """
    (worker,) = pool.fleet.workers
    logged = [line for line in worker.output().splitlines() if "/SpawnPoolWorker-" not in line]
    first = next(at for at, line in enumerate(logged) if line.startswith("{"))
    for line in logged[first:]:
        assert json.loads(line)["level"] in ("DEBUG", "INFO", "WARNING", "ERROR")


def kept(job: JobState, count: int) -> list[str]:
    """The messages that are kept of the job, once they are as many."""
    eventually(lambda: len(job.logs()) >= count, message="the lines in the store")
    return [line.message for line in job.logs()]


def printed(pool: Installation, *arguments: str) -> str:
    """What a command prints on stdout."""
    done = Shell(pool).ran(*arguments)
    assert done.stdout, done.stderr
    return done.stdout


class TestKeptLines:
    """With the setting ``keep_logs``."""

    def test_they_stay_with_the_job(self, pool: Installation) -> None:
        """Each with its place, its attempt and its worker, in the order of the handler."""
        job = run("kept")
        assert kept(job, 5) == [f"{how} kept" for how in SAID]
        (first, *_, last) = job.logs()
        assert (first.level, first.logger) == ("WARNING", "shop")
        assert (first.routine_id, first.slot, first.invocation) == ("it", "input", 1)
        assert (first.attempt, first.exception) == (1, None)
        assert first.worker.startswith(f"{pool.fleet.workers[0].name}@")
        assert job.created_at <= first.at <= last.at
        assert str(last.exception).endswith("KeyError: 'kept'")
        assert job.logs(after=job.logs()[3].id) == [last]
        assert job.logs("it", invocation=1) == job.logs()
        assert job.logs(invocation=2) == []

    def test_a_line_that_was_begun_ends_with_the_handler(self, pool: Installation) -> None:
        assert kept(halves.execute("it", {"text": "it"}).wait(LIMIT), 1) == ["half of it"]

    def test_they_expire_with_the_job(self, pool: Installation) -> None:
        """Also those that come after its end."""
        job = run("kept")
        kept(job, 5)
        left: Any = pool.redis.pttl(pool.key("logs", job.job_id))
        # The two are read one after the other.
        assert abs(left - pool.redis.pttl(pool.key("job", job.job_id))) < 1000

    def test_they_are_there_while_the_handler_runs(
        self, pool: Installation, tmp_path: Path
    ) -> None:
        """A reader does not wait for its end."""
        gate = tmp_path / "gate"
        job = waiting.execute("waits", {"gate": str(gate)})
        assert kept(job, 1) == ["before the gate"]
        assert job.status == "running"
        gate.touch()
        assert kept(job.wait(LIMIT), 2) == ["before the gate", "behind the gate"]

    def test_they_hold_no_secrets(self, pool: Installation) -> None:
        """Neither in messages nor in tracebacks; the attempts are told apart."""
        job = telling.execute("tells", {"token": "hush-hush"}).wait(LIMIT)
        kept(job, 6)
        # Each process sends its lines by itself, so those of the second may come first.
        lines = sorted(job.logs(), key=lambda line: line.attempt)
        assert [(line.attempt, line.message) for line in lines] == [
            (attempt, message)
            for attempt in (1, 2)
            for message in ("the token is ***", f"attempt {attempt}", "no")
        ]
        assert "ValueError: refused ***" in str(lines[2].exception)
        assert "hush-hush" not in repr(lines)

    def test_they_are_bounded(self, pool: Installation) -> None:
        """The first and the last lines of an attempt, and how many are missing."""
        job = flood.execute("floods", {"lines": 5000}).wait(LIMIT)
        eventually(lambda: any(line.message == "line 4999" for line in job.logs()))
        told = [line.message for line in job.logs()]
        assert told[:FIRST_LINES] == [f"line {number}" for number in range(FIRST_LINES)]
        assert told[-LAST_LINES:] == [f"line {number}" for number in range(4980, 5000)]
        left_out = 5000 - FIRST_LINES - LAST_LINES
        assert told[FIRST_LINES] == f"({left_out} lines of this attempt were not kept)"


def test_the_command_line_shows_them(own: Installation, tmp_path: Path) -> None:
    """While the job runs too; a message cannot look like a line of another one."""
    own.fleet.start(pool="threads", env={"FLOWFORGE_IMPORTS": FLOWS, "FLOWFORGE_KEEP_LOGS": "100"})
    gate = tmp_path / "gate"
    job = waiting.execute("waits", {"gate": str(gate)})
    follower = Shell(own).program("logs", job.job_id, "--follow", "--json")
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["message"] == "before the gate"
    gate.touch()
    assert json.loads(follower.communicate(timeout=LIMIT)[0])["message"] == "behind the gate"
    said = run("one\n20:00:00.000  ERROR  9  x.y  two")
    kept(said, 5)
    shown = printed(own, "logs", said.job_id, "--routine", "it", "--invocation", "1")
    place = f"{'it.input':<20}"
    assert f"WARNING   1           {place}  logged one\n    20:00:00.000" in shown
    assert "\n    KeyError: " in shown
    nothing = Shell(own).run("logs", said.job_id, "--invocation", "7")
    assert (nothing.stdout, nothing.stderr) == ("", f"job {said.job_id} has no invocation 7\n")


def test_the_end_of_a_worker_loses_no_line(own: Installation) -> None:
    """Neither of a child process nor of a worker without any."""
    for pool in ("prefork", "threads"):
        worker = own.fleet.start(
            pool=pool, env={"FLOWFORGE_IMPORTS": FLOWS, "FLOWFORGE_KEEP_LOGS": "100"}
        )
        job = run("hello")
        own.fleet.terminate(worker)
        own.fleet.wait_until_ended(worker)
        assert [line.message for line in job.logs()] == [f"{how} hello" for how in SAID]


def test_the_embedded_engine_keeps_them_too(no_settings: None) -> None:
    """What loggers are given; a print stays what it is."""
    configure(keep_logs=100)
    try:
        job = run("hello")
        messages = kept(job, 3)
        assert [message.partition(" ")[0] for message in messages] == [
            "logged", "task-logged", "caught",
        ]  # fmt: skip
    finally:
        forget()


def test_nothing_is_kept_by_default(own: Installation) -> None:
    """And nothing hears what handlers log."""
    own.fleet.start(env={"FLOWFORGE_IMPORTS": FLOWS})
    job = run("hello")
    (worker,) = own.fleet.workers
    lines(worker, "hello")
    assert job.logs() == []
    assert not own.redis.exists(own.key("logs", job.job_id))


def test_a_fleet_logs_text_by_default(own: Installation) -> None:
    """Celery's formats stay; behind the message stands where it comes from."""
    worker = own.fleet.start(env={"FLOWFORGE_IMPORTS": FLOWS})
    job = run("hello")
    for line in lines(worker, "hello"):
        assert line.startswith("[")
        where = f" job={job.job_id} flow=chat routine=it slot=input invocation={job.job_id}-1"
        assert line.endswith(f"{where} attempt=1")
    assert f"chatty[{job.job_id}-1]: task-logged hello" in worker.output()
    (ready,) = (line for line in worker.output().splitlines() if line.endswith(" ready."))
    assert "job=" not in ready


def test_a_format_of_ones_own_stays(own: Installation) -> None:
    """It may name the fields; nothing is appended."""
    worker = own.fleet.start(
        pool="solo",
        env={"FLOWFORGE_IMPORTS": FLOWS},
        configuration=[
            "worker.log_format=%(levelname)s|%(routine)s|%(attempt)s|%(message)s",
            "worker.task_log_format=%(levelname)s|%(routine)s|%(attempt)s|%(message)s",
        ],
    )
    run("hello")
    found = lines(worker, "hello")
    assert "WARNING|it|1|logged hello" in found
    assert "WARNING|it|1|task-logged hello" in found
    assert "WARNING|it|1|printed hello" in found
