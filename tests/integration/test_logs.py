"""What a worker's log says of handlers, on every pool of Celery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from flowforge import JobState
from flowforge.local.server import LocalServer
from tests.integration.installation import LIMIT, Installation, installed
from tests.integration.log_flows import chat
from tests.support.eventually import eventually
from tests.support.fleet import Worker

FLOWS = "tests.integration.log_flows"

#: How each line of ``chatty`` begins.
SAID = ("logged", "task-logged", "printed", "complained", "caught")

POOLS = ("prefork", "spawn", "threads", "solo", "gevent")


@pytest.fixture(scope="module", params=POOLS)
def pool(
    request: pytest.FixtureRequest, server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A worker of the pool that logs JSON."""
    directory = tmp_path_factory.mktemp(request.param)
    spawned = request.param == "spawn"
    with installed(server, directory, [FLOWS], log_format="json") as installation:
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
