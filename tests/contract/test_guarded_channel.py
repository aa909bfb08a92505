"""kombu's channel with the guard in front, over a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.message import Message

from flowforge.broker.guard import UNKNOWN_TASK, Guard
from flowforge.broker.transport import BrokerConnection, guarded_transport
from flowforge.local.server import LocalServer
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.worker.run.task import TaskQueues
from tests.contract.bench import Bench
from tests.contract.receiving import receive
from tests.unit.broker.hostile import HOSTILE


@pytest.fixture
def guarded(server: LocalServer, server_bench: Bench) -> Iterator[Connection]:
    """A kombu connection with the guard in front, of a worker that knows the task ``t.R0``."""
    guard = Guard(server_bench.store, {"t.R0", UNKNOWN_TASK}, exclusive=True)
    transport = guarded_transport(guard, sentinel=False)
    with Connection(server.url, transport=transport) as connection:
        yield connection


def test_the_guarded_channel_delivers_invocations(guarded: Connection, server_bench: Bench) -> None:
    """What the script pushed arrives, and its acknowledgement leaves nothing in the server."""
    job = server_bench.submit()
    (message,) = receive(guarded, server_bench.list)
    assert message.decode()[0] == [job, "1.0.0"]
    message.ack()
    assert not server_bench.client.hlen("unacked")


@pytest.mark.attack(what="Hostile items on a fleet's queue, in front of kombu")
def test_the_guarded_channel_survives_rubbish(guarded: Connection, server_bench: Bench) -> None:
    """Refused items become dead letters; the invocation behind them is delivered."""
    for item in (b"\xff", b"[]", b'{"headers": {}}'):
        server_bench.client.lpush(server_bench.list, item)
    job = server_bench.submit()
    messages: list[Message] = []
    channel: Any = guarded.channel()
    queue = Queue(server_bench.list, routing_key=server_bench.list)
    with Consumer(channel, [queue], on_message=messages.append):
        while not messages:
            guarded.drain_events(timeout=5)
    assert messages[0].decode()[0] == [job, "1.0.0"]
    assert DeadLetters(server_bench.store).count() == 3


@pytest.mark.parametrize("task", ["t.R0", "t.R1"], ids=["known", "unknown here"])
def test_what_a_worker_puts_back_is_let_in_again(
    guarded: Connection, server_bench: Bench, task: str
) -> None:
    """A message that a stopping worker returns is an invocation for the next one."""
    server_bench.submit(routine=int(task[-1]))
    channel: Any = guarded.channel()
    queue = Queue(server_bench.list, routing_key=server_bench.list)
    with Consumer(channel, [queue], on_message=lambda message: None):
        guarded.drain_events(timeout=5)
        channel.qos.restore_unacked()
    (item,) = server_bench.client.lrange(server_bench.list, 0, -1)
    other = Guard(server_bench.store, {"t.R1", "t.R0"}, exclusive=True)
    assert other.admit(server_bench.list, item) is not None
    assert DeadLetters(server_bench.store).count() == 0


@pytest.mark.attack(
    what="Hostile items on a queue of an app that runs other tasks, in front of kombu"
)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_item_stops_a_worker_that_runs_other_tasks_too(
    server: LocalServer, server_bench: Bench, name: str
) -> None:
    """The invocation behind the items is delivered, whatever they hold."""
    guard = Guard(server_bench.store, {"t.R0", UNKNOWN_TASK}, exclusive=False)
    server_bench.client.lpush(server_bench.list, HOSTILE[name][0])
    job = server_bench.submit()
    tasks: list[str] = []
    with Connection(server.url, transport=guarded_transport(guard, sentinel=False)) as connection:
        channel: Any = connection.channel()
        queue = Queue(server_bench.list, routing_key=server_bench.list)
        with Consumer(channel, [queue], on_message=lambda m: tasks.append(m.headers["id"])):
            while f"{job}-1" not in tasks:
                connection.drain_events(timeout=5)


@pytest.mark.parametrize("exclusive", [True, False])
def test_every_list_of_tasks_is_guarded_and_no_other(
    server: LocalServer, server_bench: Bench, exclusive: bool
) -> None:
    """A queue's lists of all priorities; a reply to remote control is delivered as it is."""
    app = Celery(set_as_current=False)
    app.amqp.queues.select([server_bench.list])
    guard = Guard(server_bench.store, {"t.R0"}, exclusive=exclusive, queues=TaskQueues(app))
    replies = f"{server_bench.list}.reply.celery.pidbox"
    got: list[object] = []
    with Connection(server.url, transport=guarded_transport(guard, sentinel=False)) as connection:
        queues = [Queue(name, routing_key=name) for name in (server_bench.list, replies)]
        with (
            connection.channel() as channel,
            Consumer(channel, queues, on_message=lambda m: got.append(m.decode()), no_ack=True),
        ):
            for name in (server_bench.list, f"{server_bench.list}\x06\x163"):
                server_bench.client.lpush(name, b"[]")
            connection.Producer().publish({"ok": "pong"}, routing_key=replies)
            while not got or DeadLetters(server_bench.store).count() < 2:
                # A refused item looks like a timeout.
                with suppress(TimeoutError):
                    connection.drain_events(timeout=0.5)
    assert got == [{"ok": "pong"}]


def test_without_remote_control_every_list_is_guarded() -> None:
    """A fleet's workers have no use for replies, so nobody gets at them through one."""
    app = Celery(set_as_current=False)
    assert "x.reply.celery.pidbox" not in TaskQueues(app)
    app.conf.worker_enable_remote_control = False
    assert "x.reply.celery.pidbox" in TaskQueues(app)


class Trusting(Guard):
    """Lets everything in."""

    def admit(self, queue: str, item: bytes) -> bytes | None:
        return item


@pytest.mark.parametrize("exclusive", [True, False])
@pytest.mark.parametrize("suffix", ["", "\x06\x166"])
def test_a_message_goes_back_to_the_list_that_it_came_from(
    server: LocalServer, server_bench: Bench, exclusive: bool, suffix: str
) -> None:
    """Whatever it says of its queue and its priority."""
    server_bench.submit()
    item = server_bench.client.rpop(server_bench.list)
    forged = item.replace(
        b'"routing_key": "%b"' % server_bench.list.encode(), b'"routing_key": "another-list"'
    )
    assert forged != item
    server_bench.client.lpush(server_bench.list + suffix, forged)
    guard = Trusting(server_bench.store, {"t.R0"}, exclusive=exclusive)
    with Connection(server.url, transport=guarded_transport(guard, sentinel=False)) as connection:
        channel: Any = connection.channel()
        queue = Queue(server_bench.list, routing_key=server_bench.list)
        with Consumer(channel, [queue], on_message=lambda message: None):
            connection.drain_events(timeout=5)
            channel.qos.restore_unacked()
    assert server_bench.client.lrange(server_bench.list + suffix, 0, -1) == [forged]
    assert not server_bench.client.exists("another-list")


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_fleet_binds_no_queue(server: LocalServer, server_bench: Bench, exclusive: bool) -> None:
    """What is not written cannot be damaged, nor be refused; others' senders need it."""
    guard = Guard(server_bench.store, {"t.R0"}, exclusive=exclusive)
    name = server_bench.list
    queue = Queue(name, Exchange(name), routing_key=name)
    with (
        Connection(server.url, transport=guarded_transport(guard, sentinel=False)) as connection,
        Consumer(connection.channel(), [queue]),
    ):
        bound = server_bench.client.exists(f"_kombu.binding.{name}")
    assert bound == (not exclusive)


def test_a_refused_login_is_told_more_and_more_seldom(server: LocalServer) -> None:
    """The first, the second, the fourth failure and so on: it may last for days."""
    told: list[Exception] = []
    url = f"redis://:wrong@127.0.0.1:{server.port}/0"
    pauses = {"interval_start": 0, "interval_step": 0, "interval_max": 0}
    with BrokerConnection(url) as connection, pytest.raises(OperationalError):
        connection.ensure_connection(lambda error, _: told.append(error), 9, **pauses)
    assert len(told) == 4
