"""What Prometheus is told, of workers that run, fail, retry and die."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flowforge import JobState
from flowforge.local.server import LocalServer
from flowforge.metrics.exposition import Page
from flowforge.metrics.fleet import FleetMetrics
from tests.integration.cli_shell import Shell
from tests.integration.installation import FAST, LIMIT, Installation, installed
from tests.integration.metrics_flows import again, checks, holding, strict
from tests.support.eventually import eventually
from tests.support.scrape import Scrape

FLOWS = "tests.integration.metrics_flows"

POOLS = ("prefork", "spawn", "threads", "solo", "gevent")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module", params=POOLS)
def pool(
    request: pytest.FixtureRequest, server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Installation, int]]:
    """A worker of the pool that serves its metrics, and the port."""
    directory, port = tmp_path_factory.mktemp(request.param), free_port()
    spawned = request.param == "spawn"
    with installed(server, directory, [FLOWS], metrics_port=port, **FAST) as own:
        own.fleet.start(
            pool="prefork" if spawned else request.param,
            configuration=["worker.pool_start_method=spawn"] if spawned else [],
        )
        yield own, port


def fleet(own: Installation) -> Scrape:
    page = Page()
    FleetMetrics(own.engine.store, "one").add_to(page)
    return Scrape(page.text())


def attempts(own: Installation, flow: str) -> dict[tuple[str, str], int]:
    """Attempts of a flow by routine and outcome."""
    return {
        (labels["routine"], labels["outcome"]): int(value)
        for labels, value in fleet(own).labels("flowforge_attempts_total")
        if labels["flow"] == flow and value
    }


def become(read: Callable[[], object], wanted: object) -> None:
    eventually(lambda: read() == wanted, message=lambda: f"{wanted}, not {read()}")


def run_all(tmp_path: Path) -> None:
    """Three jobs: 1 + 5 attempts of which 2 are passed over, a failure, and a retry."""
    assert (
        checks.execute("spread", {"numbers": [1, -1, 2, -2, 3]}).wait(LIMIT).status == "completed"
    )
    assert strict.execute("check", {"number": -1}).wait(LIMIT).status == "failed"
    assert (
        again.execute("flaky", {"path": str(tmp_path / "once")}).wait(LIMIT).status == "completed"
    )


def test_what_a_worker_did_is_counted_exactly(
    pool: tuple[Installation, int], tmp_path: Path
) -> None:
    """On every pool: each attempt by its outcome, each job by its end, in the fleet's metrics and
    in the worker's own.
    """
    own, port = pool
    run_all(tmp_path)
    expected = {
        "checks": {
            ("spread", "completed"): 1,
            ("check", "completed"): 3,
            ("check", "error_continued"): 2,
        },
        "strict": {("check", "failed"): 1},
        "again": {("flaky", "retried"): 1, ("flaky", "completed"): 1},
    }
    for flow, wanted in expected.items():
        become(lambda flow=flow: attempts(own, flow), wanted)  # type: ignore[misc]
    found = fleet(own)
    for flow, status in (("checks", "completed"), ("strict", "failed"), ("again", "completed")):
        labels = {"server": "one", "flow": flow}
        assert found.sum("flowforge_jobs_created_total", **labels) == 1
        assert found.sum("flowforge_jobs_ended_total", status=status, **labels) == 1
        assert found.sum("flowforge_jobs", **labels) == found.sum(
            "flowforge_jobs", status=status, **labels
        )
        assert found.sum("flowforge_job_duration_seconds_count", **labels) == 1
    assert found.sum("flowforge_attempt_duration_seconds_count", flow="checks") == 6
    carried = {"flow": "checks", "connection": "spread.number -> check.input"}
    assert found.sum("flowforge_deliveries_total", **carried) == 5
    assert found.sum("flowforge_connection_wait_seconds_count", **carried) == 5
    assert found.sum("flowforge_wait_seconds_count", flow="again", cause="queue") == 2
    assert found.sum("flowforge_wait_seconds_sum", flow="again", cause="retry") == 0.2
    assert found.sum("flowforge_job_duration_seconds_sum", flow="again") > 0.2

    of_worker = Scrape.of(port)
    assert of_worker.sum("flowforge_worker_attempts_total") == 9
    assert of_worker.sum("flowforge_worker_attempts_total", outcome="retried") == 1
    assert of_worker.sum("flowforge_worker_handler_seconds_total") > 0
    assert of_worker.sum("flowforge_worker_leader") == 1
    assert of_worker.sum("flowforge_worker_server_up") == 1
    assert of_worker.sum("flowforge_worker_upkeep_age_seconds") < 10
    ((labels, _),) = of_worker.labels("flowforge_worker_info")
    assert labels["worker"].startswith(own.fleet.workers[0].name)


class TestTrouble:
    """Ports that are taken, workers that die, and work that does not go on."""

    def test_a_port_that_is_taken_ends_no_worker(self, server: LocalServer, tmp_path: Path) -> None:
        """It says so in its log, and runs jobs."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with installed(server, tmp_path, [FLOWS], metrics_port=port) as own:
                worker = own.fleet.start(pool="solo")
                assert strict.execute("check", {"number": 1}).wait(LIMIT).status == "completed"
                assert f"no metrics on 127.0.0.1:{port}" in worker.output()

    def test_no_port_costs_nothing(self, server: LocalServer, tmp_path: Path) -> None:
        """There is no socket, and the worker keeps no totals of its own."""
        with installed(server, tmp_path, [FLOWS]) as own:
            own.fleet.start(pool="solo")
            assert strict.execute("check", {"number": 1}).wait(LIMIT).status == "completed"
            become(lambda: attempts(own, "strict"), {("check", "completed"): 1})
            assert "metrics on" not in own.fleet.workers[0].output()
            assert own.redis.keys(own.key("worker_totals", "*")) == []

    def test_a_killed_worker_is_a_lost_attempt(self, server: LocalServer, tmp_path: Path) -> None:
        """The next attempt completes; the totals of what the dead worker did before stay."""
        with installed(server, tmp_path, [FLOWS], **FAST) as own:
            first = own.fleet.start(pool="solo")
            assert strict.execute("check", {"number": 1}).wait(LIMIT).status == "completed"
            become(lambda: attempts(own, "strict"), {("check", "completed"): 1})
            gate = tmp_path / "gate"
            job = holding.execute("held", {"gate": str(gate)})
            eventually(lambda: Path(f"{gate}.held").exists())
            found = fleet(own)
            assert found.sum("flowforge_leases") == found.sum("flowforge_workers") == 1
            assert found.sum("flowforge_outstanding_invocations", state="running") == 1
            own.fleet.kill(first)
            gate.touch()
            own.fleet.start(pool="solo")
            assert job.wait(LIMIT).status == "completed"
            become(
                lambda: attempts(own, "holding"), {("held", "lost"): 1, ("held", "completed"): 1}
            )
            assert attempts(own, "strict") == {("check", "completed"): 1}

    def test_an_orderly_end_loses_nothing(self, server: LocalServer, tmp_path: Path) -> None:
        """What was noted and not yet added is added at the end of each process."""
        with installed(server, tmp_path, [FLOWS]) as own:
            worker = own.fleet.start(concurrency=2)
            numbers = list(range(50))
            job = checks.execute("spread", {"numbers": numbers}).wait(LIMIT)
            assert job.status == "completed"
            own.fleet.terminate(worker)
            own.fleet.wait_until_ended(worker)
            assert attempts(own, "checks") == {
                ("spread", "completed"): 1, ("check", "completed"): 50,
            }  # fmt: skip

    def test_work_without_a_worker_is_seen(self, server: LocalServer, tmp_path: Path) -> None:
        """How much, for how long, and that nobody leads."""
        with installed(server, tmp_path, [FLOWS]) as own:
            job = checks.execute("spread", {"numbers": [1]})
            paused = checks.execute("spread", {"numbers": [1]})
            paused.pause("look")
            found = eventually(
                lambda: (
                    (one := fleet(own)).sum("flowforge_queue_oldest_unclaimed_seconds") > 0.2
                    and one
                )
            )
            assert found
            assert found.sum("flowforge_queue_unclaimed", priority="0") == 2
            assert found.sum("flowforge_queue_messages") == 2
            assert found.sum("flowforge_jobs", flow="checks", status="pending") == 1
            assert found.sum("flowforge_jobs", flow="checks", status="paused") == 1
            assert found.sum("flowforge_leader") == 0
            assert found.sum("flowforge_server_up") == 1
            assert found.sum("flowforge_server_memory_bytes") > 0
            assert not list(found.samples("flowforge_scrape_errors"))
            job.cancel("over")
            assert fleet(own).sum("flowforge_jobs_ended_total", status="cancelled") == 1

    def test_a_server_that_is_away_is_told(self, tmp_path: Path) -> None:
        """By one sample, and not by an error of the scrape."""
        server = LocalServer.start(None)
        with installed(server, tmp_path, [FLOWS]) as own:
            server.stop()
            text = Shell(own).run("metrics", "--once").output
        assert Scrape(text).sum("flowforge_server_up") == 0


def test_the_command_prints_and_serves(server: LocalServer, tmp_path: Path) -> None:
    """Once, or on a port until it is ended; nothing else is on the port."""
    with installed(server, tmp_path, [FLOWS]) as own:
        checks.execute("spread", {"numbers": [1]})
        printed = Scrape(Shell(own).run("metrics", "--once").output)
        assert printed.sum("flowforge_jobs_created_total", flow="checks") == 1
        port = free_port()
        process = Shell(own).program("metrics", "--port", str(port))
        try:
            assert process.stderr is not None
            assert f":{port}/metrics" in process.stderr.readline()
            served = Scrape.of(port)
            assert served.families.keys() >= printed.families.keys()
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=LIMIT)


def test_the_job_stays_countable_when_it_is_retried(server: LocalServer, tmp_path: Path) -> None:
    """A retried job ends twice, and totals never fall."""
    with installed(server, tmp_path, [FLOWS]) as own:
        own.fleet.start(pool="solo")
        job: JobState = strict.execute("check", {"number": -1}).wait(LIMIT)
        job.retry()
        assert job.wait(LIMIT).status == "failed"
        found = fleet(own)
        assert found.sum("flowforge_jobs_retried_total", flow="strict") == 1
        assert found.sum("flowforge_jobs_ended_total", flow="strict", status="failed") == 2
        assert found.sum("flowforge_jobs", flow="strict", status="failed") == 1
