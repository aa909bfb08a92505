"""Flows join a Celery app that is already there; what cannot work is refused at the start."""

from __future__ import annotations

import base64
import bz2
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

import flowforge
from flowforge import JobState
from flowforge.engine.current import set_engine
from flowforge.errors import ConfigurationError, UnsupportedBrokerError
from flowforge.local.server import LocalServer
from flowforge.worker.consuming.events import NAME as UNRETRIED
from tests.integration.flows import Collect, Submits, countdown, single, squares
from tests.integration.installation import FLOWS, LIMIT, outputs
from tests.integration.notes import notes
from tests.integration.shop import make_app
from tests.support.environment import without_settings
from tests.support.eventually import eventually
from tests.support.fleet import ROOT, Fleet
from tests.unit.broker.hostile import changed


@dataclass
class Shop:
    """The joined app in this process, and its workers."""

    app: Celery
    prefix: str
    redis: Any


@pytest.fixture(scope="module")
def shop(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The app as its producers have it, with one worker on all of its queues."""
    prefix = f"t{secrets.token_hex(6)}"
    former = set_engine(None)
    app = make_app(server.url, prefix)
    directory = tmp_path_factory.mktemp("shop")
    try:
        with (
            redis.Redis.from_url(server.url) as client,
            Fleet(server.url, prefix, directory, app="tests.integration.shop") as fleet,
        ):
            worker = fleet.start(queues="celery,squares,fans")
            yield Shop(app, prefix, client)
            fleet.kill(worker)
    finally:
        engine = set_engine(former)
        assert engine is not None
        engine.close()


class TestJoinedApp:
    """The team's tasks keep what Celery gives them; flows run beside them."""

    def test_own_tasks_and_flows_run_on_the_same_worker(self, shop: Shop) -> None:
        """A task returns its result, a flow its outputs, at the same time."""
        add = shop.app.tasks["tests.integration.shop.add"]
        results = [add.delay(n, 1) for n in range(20)]
        jobs = [squares(Collect).execute("fan", {"count": 10}) for _ in range(5)]
        more = [add.delay(n, 2) for n in range(20)]
        assert [result.get(timeout=LIMIT) for result in results] == [n + 1 for n in range(20)]
        assert [result.get(timeout=LIMIT) for result in more] == [n + 2 for n in range(20)]
        for job in jobs:
            assert outputs(job)[0]["numbers"] == list(range(10))

    def test_routines_are_routed_by_their_class_name(self, shop: Shop) -> None:
        """``task_routes`` sees the routine's class as the task's name, patterns included."""
        job = squares(None).execute("fan", {"count": 3})
        outputs(job)
        key = f"{shop.prefix}:d:" + shop.redis.hget(f"{shop.prefix}:j:{job.job_id}", "def").decode()
        definition = json.loads(shop.redis.hget(key, "json"))
        assert {r["id"]: r["queue"] for r in definition["routines"]} == {
            "fan": "fans",
            "square": "squares",
        }
        sequences = shop.redis.hgetall(f"{shop.prefix}:seq")
        assert int(sequences[f"{shop.prefix}:fans".encode()]) >= 1
        assert int(sequences[f"{shop.prefix}:squares".encode()]) >= 3

    def test_own_late_tasks_keep_kombus_bookkeeping(self, shop: Shop, tmp_path: Path) -> None:
        """The message of a late task that runs is kept as unacknowledged; a routine's is not."""
        add = shop.app.tasks["tests.integration.shop.add"]
        log, gate = tmp_path / "log", tmp_path / "gate"
        result = add.delay(1, 2, log=str(log), gate=str(gate))
        eventually(lambda: notes(log))
        assert outputs(countdown().execute("it", {"n": 30})) == [{"n": 0}]
        kept = shop.redis.hvals(f"{shop.prefix}:unacked")
        assert len(kept) == 1
        assert b"tests.integration.shop.add" in kept[0]
        gate.touch()
        assert result.get(timeout=LIMIT) == 3
        eventually(lambda: not shop.redis.exists(f"{shop.prefix}:unacked"))

    @pytest.mark.attack(
        what="Tasks with headers and bodies that would end or fill the workers of a joined app"
    )
    def test_a_task_that_would_end_a_worker_is_refused(self, shop: Shop) -> None:
        """A task that the guard accepts can run; any other is a dead letter, and the next runs."""
        add = shop.app.tasks["tests.integration.shop.add"]
        letters = f"{shop.prefix}:dead"
        for limits in ({"time_limit": 10**400}, {"soft_time_limit": 1e300}):
            add.apply_async((1, 1), **limits)
        bomb = changed("headers.compression", "application/x-bz2")
        body = base64.b64encode(bz2.compress(b" " * 20_000_000)).decode().encode()
        shop.redis.lpush(
            f"{shop.prefix}:celery", bomb.replace(json.loads(bomb)["body"].encode(), body)
        )
        eventually(lambda: shop.redis.zcard(letters) == 3, message="three dead letters")
        assert [add.delay(n, 1).get(timeout=LIMIT) for n in range(4)] == [1, 2, 3, 4]
        shop.redis.delete(letters)


def test_spawned_children_run_the_routines(shop: Shop, server: LocalServer, tmp_path: Path) -> None:
    """A child that begins as a fresh interpreter has joined the app as its parent has."""
    flow = single(Submits)
    with Fleet(server.url, shop.prefix, tmp_path, app="tests.integration.shop") as fleet:
        worker = fleet.start(queues="spawned", configuration=["worker.pool_start_method=spawn"])
        flow.add_routine(Submits, "here", queue="spawned")
        job = flow.execute("here", {"queue": "spawned"})
        (submitted,) = outputs(job)
        (found,) = outputs(JobState.get(submitted["job_id"]))
        assert found["from"] != worker.pid
        (entry,) = job.get_execution_history("here")
        assert entry.details["worker"].startswith(f"{worker.name}@")
        fleet.kill(worker)


def test_a_worker_names_what_it_cannot_do(server: LocalServer, tmp_path: Path, prefix: str) -> None:
    """No routines, a variable that is no setting, limits that its pool does not keep."""
    with Fleet(server.url, prefix, tmp_path, leases=3) as fleet:
        options = ("--time-limit", "5", "--max-tasks-per-child", "10")
        worker = fleet.start(pool="threads", options=options)
        eventually(lambda: "knows no routine" in worker.output())
        assert "FLOWFORGE_IMPORTS" in worker.output()
        assert worker.output().count("FLOWFORGE_LEASES is no setting") == 1
        limits = "time_limit (5.0) of the worker; max_tasks_per_child (10) of the worker"
        eventually(lambda: f"pool thread does not keep {limits}" in worker.output())
        fleet.kill(worker)


def test_remote_control_and_mingle_work(server: LocalServer, tmp_path: Path) -> None:
    """Replies to remote control come on lists as tasks do, and are none."""
    prefix = f"t{secrets.token_hex(6)}"
    former = set_engine(None)
    app = make_app(server.url, prefix)
    assert app.events.dispatcher_cls == UNRETRIED
    try:
        with Fleet(server.url, prefix, tmp_path, app="tests.integration.shop") as fleet:
            one = fleet.start(pool="solo", concurrency=1)
            other = fleet.start(pool="solo", concurrency=1)
            assert "mingle: sync complete" in other.output()
            answers = app.control.inspect(timeout=LIMIT, limit=2).ping() or {}
            assert sorted(name.partition("@")[0] for name in answers) == [one.name, other.name]
            assert all("refused" not in worker.output() for worker in fleet.workers)
            fleet.kill(one)
            fleet.kill(other)
    finally:
        engine = set_engine(former)
        assert engine is not None
        engine.close()


def refused(target: str, **environment: str) -> str:
    """What a worker says that must refuse to start."""
    ended = subprocess.run(
        [sys.executable, "-m", "celery", "-A", target, "worker", "-P", "solo"],
        cwd=ROOT,
        env=without_settings(**environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0, ended.stdout
    return ended.stdout + ended.stderr


class TestRefusals:
    """A set-up on which jobs would be lost, or could not run, ends at once with the remedy."""

    @pytest.mark.parametrize("url", ["amqp://guest@localhost//", "sqs://", "memory://"])
    def test_install_refuses_a_broker_that_is_not_redis(self, url: str) -> None:
        """The state lives in the broker's server, so the broker has to be Redis."""
        with pytest.raises(UnsupportedBrokerError, match=r"is not Redis.*redis://"):
            flowforge.install(Celery("app", broker=url, set_as_current=False))
        with pytest.raises(UnsupportedBrokerError, match="is not Redis"):
            flowforge.configure(redis_url=url)

    def test_install_refuses_a_second_server(self, server: LocalServer) -> None:
        """``redis_url`` beside the app's broker would split state and messages."""
        app = Celery("app", broker=server.url, set_as_current=False)
        with pytest.raises(ConfigurationError, match="different servers or databases"):
            flowforge.install(app, redis_url="redis://elsewhere:6379/0")

    def test_a_worker_refuses_a_broker_that_is_not_redis(self) -> None:
        """The process ends with an error that names the setting."""
        said = refused("flowforge.app", FLOWFORGE_REDIS_URL="amqp://guest@localhost//")
        assert "amqp:// is not Redis" in said

    def test_a_worker_needs_a_server(self) -> None:
        """Without a URL there is nothing to work for."""
        assert "FLOWFORGE_REDIS_URL is not set" in refused("flowforge.app")

    def test_a_worker_refuses_a_server_that_may_evict_keys(self) -> None:
        """The message says which policy is set and how to mend it."""
        with LocalServer.start(config={"maxmemory-policy": "allkeys-lru"}) as evicting:
            said = refused(
                "flowforge.app", FLOWFORGE_REDIS_URL=evicting.url, FLOWFORGE_IMPORTS=FLOWS
            )
        assert "maxmemory-policy allkeys-lru" in said
        assert "CONFIG SET maxmemory-policy noeviction" in said

    def test_a_worker_names_a_setting_that_cannot_be_read(self, server: LocalServer) -> None:
        """A typo in the environment is found at the start."""
        said = refused(
            "flowforge.app", FLOWFORGE_REDIS_URL=server.url, FLOWFORGE_LEASE="quarter of a minute"
        )
        assert said == "error: FLOWFORGE_LEASE='quarter of a minute' is not a number\n"

    @pytest.mark.parametrize(
        ("module", "text", "reason"),
        [
            ("nowhere.flows", "", "there is no module 'nowhere' in "),
            ("broken_flows.py", "", "it takes the name of a module, not of its file: broken_flows"),
            ("broken_flows", "x = 1 / 0\n", "line 1: ZeroDivisionError: division by zero"),
        ],
    )
    def test_a_worker_names_a_module_that_cannot_be_imported(
        self, server: LocalServer, tmp_path: Path, module: str, text: str, reason: str
    ) -> None:
        """With the variable that names it, and the line on which its import failed."""
        (tmp_path / "broken_flows.py").write_text(text)
        said = refused(
            "flowforge.app",
            FLOWFORGE_REDIS_URL=server.url,
            FLOWFORGE_IMPORTS=f"{FLOWS},{module}",
            PYTHONPATH=str(tmp_path),
        )
        assert f"error: FLOWFORGE_IMPORTS names {module!r}: " in said
        assert reason in said
        assert "Traceback" not in said

    def test_a_worker_that_is_refused_the_login_ends_at_once(self, server: LocalServer) -> None:
        """Waiting would not mend it."""
        began = time.monotonic()
        said = refused("flowforge.app", FLOWFORGE_REDIS_URL=server.url.replace("//:", "//:no"))
        assert time.monotonic() - began < 30
        assert said.splitlines()[-1].startswith("error: the Redis server at 127.0.0.1:")
        assert "refused the login" in said
        assert "still trying" not in said
        assert "Traceback" not in said

    def test_a_worker_that_waits_for_its_server_says_so(self, tmp_path: Path, prefix: str) -> None:
        """It starts when the server comes, and ends with one line if it does not."""
        with (
            LocalServer.start(str(tmp_path / "data")) as late,
            Fleet(late.url, prefix, tmp_path, (FLOWS,)) as fleet,
        ):
            late.stop()
            worker = fleet.start(pool="solo", concurrency=1, wait=False)
            eventually(lambda: "does not answer" in worker.output(), LIMIT)
            assert "still trying for 60 s" in worker.output()
            late.restart()
            fleet.wait_until_ready(worker)
            fleet.kill(worker)

    def test_a_worker_whose_server_does_not_come_ends_with_one_line(self, tmp_path: Path) -> None:
        """The traceback of a lost connection tells nobody anything."""
        (tmp_path / "impatient.py").write_text(
            "from flowforge.worker.shards import shard\n"
            "shard.WORKER_PATIENCE = 0.1\n"
            "from flowforge.app import app\n"
        )
        said = refused(
            "impatient", FLOWFORGE_REDIS_URL="redis://127.0.0.1:1/0", PYTHONPATH=str(tmp_path)
        )
        assert said.splitlines()[-1].startswith("error: the Redis server at 127.0.0.1:1 does not")
        assert "Traceback" not in said
