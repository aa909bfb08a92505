"""Whatever the server says, and whatever its keys and channels hold, workers go on.

The workers are started as users start them: a fleet's, and those of a joined app.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from flowforge import Flow, Routine
from flowforge.engine.current import set_engine
from flowforge.local.server import LocalServer
from tests.integration.flows import One, Slow, single
from tests.integration.installation import FAST, LIMIT, installed, outputs
from tests.integration.notes import notes
from tests.integration.shop import make_app
from tests.support.eventually import eventually
from tests.support.fleet import Fleet, Worker

#: By event loop and, the last one, without.
POOLS = ("prefork", "threads", "solo", "gevent")

REFUSED = "no messages until the server serves again"


@dataclass(frozen=True)
class Site:
    """Workers of several pools, each on a queue of its own that has the pool's name."""

    server: LocalServer
    redis: Any
    prefix: str
    fleet: Fleet
    joined: bool
    workers: Mapping[str, Worker] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """A key or channel of kombu's."""
        return f"{self.prefix}:{name}"

    def work(self) -> None:
        """Every worker is alive and does a job."""
        jobs = {pool: on(pool).execute("it", {"n": 1}) for pool in self.workers}
        for pool, job in jobs.items():
            eventually(
                lambda job=job: job.status == "completed",  # type: ignore[misc]
                LIMIT,
                self.workers[pool].tail,
            )
        assert all(worker.alive for worker in self.workers.values())

    def said(self, text: str) -> dict[str, int]:
        """How often each worker has said so."""
        return {pool: worker.output().count(text) for pool, worker in self.workers.items()}

    def all_say(self, text: str, before: Mapping[str, int]) -> None:
        """Return when each worker has said it again."""
        for pool, count in before.items():
            worker = self.workers[pool]
            eventually(
                lambda worker=worker, count=count: worker.output().count(text) > count,  # type: ignore[misc]
                LIMIT,
                lambda worker=worker: f"{text!r}\n{worker.tail()}",  # type: ignore[misc]
            )

    def reconnect(self) -> None:
        """Break the connections of all workers."""
        self.redis.client_kill_filter(_type="normal", skipme=True)
        self.redis.client_kill_filter(_type="pubsub")

    def all_poll(self) -> None:
        """Return when each worker waits for messages."""
        eventually(
            lambda: self.redis.info("clients")["blocked_clients"] >= len(self.workers),
            LIMIT,
            lambda: "\n".join(worker.tail() for worker in self.workers.values()),
        )


def on(queue: str, part: type[Routine] = One) -> Flow:
    """A flow of one routine on a queue."""
    routine = part()
    routine.queue = queue
    return single(routine)


@contextlib.contextmanager
def started(directory: Path, *, joined: bool) -> Iterator[Site]:
    """A server of its own, which keeps its data, and workers of every kind."""
    config = {"appendfsync": "always"}
    with ExitStack() as stack:
        server = stack.enter_context(LocalServer.start(str(directory / "data"), config=config))
        if joined:
            prefix = f"t{secrets.token_hex(6)}"
            former = set_engine(None)
            stack.callback(lambda: set_engine(former))
            make_app(server.url, prefix)
            client = stack.enter_context(redis.Redis.from_url(server.url))
            fleet = stack.enter_context(
                Fleet(server.url, prefix, directory, app="tests.integration.shop")
            )
        else:
            own = stack.enter_context(installed(server, directory, **FAST))
            prefix, client, fleet = own.prefix, own.redis, own.fleet
        pools = ("prefork", "gevent") if joined else POOLS
        workers = {pool: fleet.start(pool=pool, queues=pool, wait=False) for pool in pools}
        fleet.wait_until_ready()
        site = Site(server, client, prefix, fleet, joined, workers)
        site.all_poll()
        yield site
        for worker in fleet.workers:
            fleet.kill(worker)


@pytest.fixture(scope="module", params=["fleet", "joined app"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Shared by the tests of this module, each of which leaves it as it was."""
    with started(tmp_path_factory.mktemp("site"), joined=request.param == "joined app") as running:
        yield running


@pytest.mark.attack(what="A restart of the server while a handler runs")
def test_one_restart_of_the_server_ends_no_worker(site: Site, tmp_path: Path) -> None:
    """Handlers finish and commit, and each worker takes new messages."""
    gate, logs = tmp_path / "gate", {pool: tmp_path / pool for pool in site.workers}
    held = {
        pool: on(pool, Slow).execute("it", {"log": str(logs[pool]), "gate": str(gate)})
        for pool in site.workers
    }
    eventually(lambda: all(notes(log) for log in logs.values()))
    site.server.kill()
    site.server.restart()
    gate.touch()
    for job in held.values():
        assert len(outputs(job)) == 1
    site.work()


def failing_save(site: Site) -> None:
    """A save of the server's data fails, as on a full disk."""
    assert site.server.data_dir is not None
    (site.server.data_dir / "dump.rdb").mkdir()
    site.redis.config_set("save", "3600 1000000")
    site.redis.bgsave()
    eventually(lambda: site.redis.info("persistence")["rdb_last_bgsave_status"] == "err")


def working_save(site: Site) -> None:
    assert site.server.data_dir is not None
    (site.server.data_dir / "dump.rdb").rmdir()
    site.redis.config_set("save", "")


def lists_of_another_type(site: Site) -> None:
    for pool in site.workers:
        site.redis.hset(site.key(f"{pool}\x06\x163"), "x", "y")


#: Ordinary error replies, and how they end.
REFUSALS: dict[str, tuple[Callable[[Site], object], Callable[[Site], object]]] = {
    "too few replicas": (
        lambda site: site.redis.config_set("min-replicas-to-write", 1),
        lambda site: site.redis.config_set("min-replicas-to-write", 0),
    ),
    "a failed save": (failing_save, working_save),
    "a replica for some time": (
        lambda site: site.redis.execute_command("REPLICAOF", "127.0.0.1", "1"),
        lambda site: site.redis.execute_command("REPLICAOF", "NO", "ONE"),
    ),
    "a right taken away": (
        lambda site: site.redis.execute_command("ACL", "SETUSER", "default", "-brpop"),
        lambda site: site.redis.execute_command("ACL", "SETUSER", "default", "+@all"),
    ),
    "a list of another type": (
        lists_of_another_type,
        lambda site: [site.redis.delete(site.key(f"{pool}\x06\x163")) for pool in site.workers],
    ),
}


@pytest.mark.attack(what="Error replies of every kind in place of a message")
@pytest.mark.parametrize("site", ["fleet"], indirect=True)
@pytest.mark.parametrize("name", REFUSALS)
def test_an_error_in_place_of_a_message_ends_no_worker(site: Site, name: str) -> None:
    """The worker logs the error once and asks again until the server serves."""
    refuse, serve = REFUSALS[name]
    before = site.said(REFUSED)
    refuse(site)
    site.all_say(REFUSED, before)
    serve(site)
    site.work()
    assert site.said(REFUSED) == {pool: count + 1 for pool, count in before.items()}


@pytest.mark.attack(what="Connections that break on a full server")
def test_a_full_server_is_connected_to_again(site: Site) -> None:
    """The worker connects again: waiting for messages needs no memory of the server."""
    site.redis.config_set("maxmemory", "1mb")
    site.reconnect()
    site.all_poll()
    site.redis.config_set("maxmemory", "0")
    site.work()


@pytest.mark.attack(what="A flood of hostile items on a full server")
def test_a_flood_on_a_full_server_is_taken_off(site: Site) -> None:
    """Refused messages that cannot be stored are dropped at once and counted."""
    queue, flood = "prefork", 100
    with site.redis.pipeline(transaction=True) as at_once:
        at_once.lpush(site.key(queue), *[b"rubbish"] * flood)
        at_once.config_set("maxmemory", 1)
        at_once.execute()
    eventually(lambda: not site.redis.exists(site.key(queue)), LIMIT)
    site.redis.config_set("maxmemory", 0)
    site.work()
    assert f"as a dead letter, {flood} so far" in site.workers[queue].output()


def unreadable_records(site: Site) -> None:
    records = (b"x", b'["x", 5]', b'[5, "", "celery"]', b"[" * 100_000, b"\xff\xfe", b"{}")
    for number, record in enumerate(records):
        site.redis.hset(site.key("unacked"), str(number), record)
        site.redis.zadd(site.key("unacked_index"), {str(number): 0})


def keys_of_another_type(site: Site) -> None:
    queues = (*site.workers, "late", "celeryev", "celery.pidbox", "reply.celery.pidbox")
    tables = [f"_kombu.{name}.{q}" for q in queues for name in ("binding", "binding_permanent")]
    for name in ("unacked", "unacked_index", *tables):
        site.redis.set(site.key(name), "x")
    site.redis.lpush(site.key("unacked_mutex"), "x")


def other_records(site: Site) -> None:
    site.redis.set(site.key("unacked"), "x")
    site.redis.zadd(site.key("unacked_index"), {"t": 0})
    for queue in site.workers:
        site.redis.sadd(site.key(f"_kombu.binding.{queue}"), "x")


#: What may lie in kombu's own keys.
BOOKKEEPING = (unreadable_records, other_records, keys_of_another_type)


@pytest.mark.attack(what="Malformed data and keys of a wrong type in kombu's bookkeeping")
def test_kombus_bookkeeping_may_hold_anything(site: Site) -> None:
    """Running workers connect again, and a new worker starts."""
    for damage in BOOKKEEPING:
        for key in site.redis.keys(site.key("*")):
            if b"unacked" in key or b"_kombu" in key:
                site.redis.delete(key)
        damage(site)
        site.reconnect()
        site.all_poll()
    late = site.fleet.start(pool="solo", queues="late")
    assert len(outputs(on("late").execute("it"))) == 1
    assert late.alive
    site.fleet.kill(late)
    site.work()


@pytest.mark.attack(what="Malformed data on the channels that Celery's workers listen to")
@pytest.mark.parametrize("channel", ["/0.celeryev/worker.heartbeat", "/0.celery.pidbox"])
def test_anything_may_be_published(site: Site, channel: str) -> None:
    """A fleet does not listen; a joined app drops what is not a broadcast of Celery."""
    dropped = site.said("dropped a broadcast")
    for item in (b"5", b"[]", b'{"properties": 5}', b'{"properties": {}}', b"{", b"\xff"):
        listeners = site.redis.publish(site.key(channel), item)
        assert bool(listeners) == site.joined
    if site.joined:
        site.all_say("dropped a broadcast", dropped)
    site.work()
