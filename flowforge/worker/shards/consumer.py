"""One worker for several shards: their messages go to the same pool.

Celery's consumer has one connection, to the first shard that answers. A bootstep consumes from the
other shards, with consumers and a handler of Celery's, and keeps trying those that are away. When
Celery's connection breaks, Celery starts its consumer again, with the first shard that answers
then. Tasks that run go on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celery import Celery, bootsteps
from celery.worker.state import maybe_shutdown
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from flowforge.errors import FlowForgeError
from flowforge.store.server.check import check_server
from flowforge.worker.consuming.consumer import FleetConsumer
from flowforge.worker.shards.shard import Shard

logger = logging.getLogger(__name__)

#: Seconds until a server that was away is tried again.
RETRY = 3.0

#: Seconds that a pool without an event loop waits for messages at a time.
_DRAIN = 1.0


@dataclass(eq=False)
class _ShardConsumer:
    """Messages of one server on their way to the pool."""

    shard: Shard
    connection: Any
    consumer: Any


def serve_shards(app: Celery, shards: Sequence[Shard]) -> None:
    """Let the workers of an app consume from all shards. The app runs invocations only."""

    class ShardsConsumer(FleetConsumer):
        """Connects to the first shard that answers; each worker begins with another one."""

        def connection_for_read(self, heartbeat: float | None = None) -> Any:
            start = zlib.crc32(self.hostname.encode()) % len(shards)
            while True:
                for shard in (*shards[start:], *shards[:start]):
                    with contextlib.suppress(_UnreachableError):
                        self.flowforge_shard = shard
                        self.first_connection_attempt = False
                        return _connect(shard)
                maybe_shutdown()
                logger.error("no shard answers; trying again in %s s", RETRY)
                time.sleep(RETRY)

        def connection_for_write(self, url: Any = None, heartbeat: float | None = None) -> Any:
            # For Celery's own events: they go where this consumer is connected to.
            connection = self.flowforge_shard.connection()
            connection.connect()
            return connection

    class OtherShards(_OtherShards):
        all_shards = shards

    app.conf.worker_consumer = ShardsConsumer
    app.steps["consumer"].add(OtherShards)


class _UnreachableError(Exception):
    """The server is away, or unfit."""


def _connect(shard: Shard) -> Any:
    connection = shard.connection()
    try:
        check_server(shard.probe.link)
        connection.connect()
    except (FlowForgeError, OperationalError, RedisError, *connection.connection_errors) as error:
        connection.close()
        raise _UnreachableError(str(error)) from error
    return connection


class _OtherShards(bootsteps.StartStopStep):
    """Consumes from the shards that Celery's own connection is not to."""

    requires = ("celery.worker.consumer.tasks:Tasks",)
    all_shards: Sequence[Shard] = ()

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        consumer.flowforge_other_shards = self
        self._consumers: list[_ShardConsumer] = []
        #: Shards that did not answer, and those of them that have answered since.
        self._unreachable: set[Shard] = set()
        self._reachable: set[Shard] = set()
        #: Counts starts: what was planned before the latest is void.
        self._start = 0

    def start(self, consumer: Any) -> None:
        self._start += 1
        for shard in self.all_shards:
            if shard is not consumer.flowforge_shard:
                self._attach(consumer, shard, self._start)

    def stop(self, consumer: Any) -> None:
        self._start += 1
        consumers, self._consumers = self._consumers, []
        for one in consumers:
            _close(one)

    shutdown = stop

    def cancel(self) -> None:
        """Take no more messages: what a kombu consumer calls so."""
        self._start += 1
        for one in self._consumers:
            with contextlib.suppress(*_connection_errors(one)):
                one.consumer.cancel()

    def _attach(self, consumer: Any, shard: Shard, start: int) -> None:
        if start != self._start:
            return
        if shard in self._unreachable - self._reachable:
            # The event loop must not wait for an address that swallows connections.
            threading.Thread(target=self._probe_shard, args=(shard,), daemon=True).start()
            self._try_later(consumer, shard)
            return
        try:
            served = self._open(consumer, shard)
        # A server that refuses for now, full or short of replicas, is as good as away.
        except (_UnreachableError, OperationalError, RedisError) as error:
            logger.warning("going on without a shard, tried every %s s: %s", RETRY, error)
            self._unreachable.add(shard)
            self._reachable.discard(shard)
            self._try_later(consumer, shard)
            return
        self._unreachable.discard(shard)
        self._reachable.discard(shard)
        self._consumers.append(served)
        logger.info("also serving the shard at %s", served.connection.as_uri())
        if consumer.hub is None:
            drain = threading.Thread(
                target=self._drain, args=(consumer, served, start), daemon=True
            )
            drain.start()

    def _try_later(self, consumer: Any, shard: Shard) -> None:
        consumer.timer.call_after(RETRY, self._attach, (consumer, shard, self._start))

    def _probe_shard(self, shard: Shard) -> None:
        with contextlib.suppress(FlowForgeError):
            check_server(shard.probe.link)
            self._reachable.add(shard)

    def _open(self, consumer: Any, shard: Shard) -> _ShardConsumer:
        connection = _connect(shard)
        try:
            return _ShardConsumer(shard, connection, self._consume(consumer, connection))
        except (OperationalError, RedisError):
            connection.close()
            raise

    def _consume(self, consumer: Any, connection: Any) -> Any:
        if consumer.hub is not None:
            connection.transport.register_with_event_loop(connection.connection, consumer.hub)
        tasks = consumer.app.amqp.TaskConsumer(connection, on_decode_error=consumer.on_decode_error)
        tasks.on_message = consumer.create_task_handler()
        tasks.qos(prefetch_count=consumer.initial_prefetch_count)
        tasks.consume()
        return tasks

    def _drain(self, consumer: Any, served: _ShardConsumer, start: int) -> None:
        """Wait for messages in a thread: what the event loop does for the other pools."""
        try:
            while start == self._start:
                with contextlib.suppress(TimeoutError):
                    served.connection.drain_events(timeout=_DRAIN)
        except Exception as error:  # noqa: BLE001 - else the server would not be served any more
            # Closing a connection that is waited on breaks the waiting, in one way or another.
            if start == self._start:
                logger.warning("the connection to a shard was lost, trying again: %r", error)
                self._consumers.remove(served)
                _close(served)
                self._try_later(consumer, served.shard)


def _connection_errors(served: _ShardConsumer) -> tuple[type[Exception], ...]:
    """What a server that is away, or refuses, makes of a command that may fail."""
    errors: tuple[type[Exception], ...] = served.connection.connection_errors
    return (*errors, OperationalError, RedisError)


def _close(served: _ShardConsumer) -> None:
    """Give back what was fetched and not begun, if the server is there, and end the connection."""
    cycle = served.connection.transport.cycle
    for action in (served.consumer.cancel, served.connection.close):
        with contextlib.suppress(*_connection_errors(served)):
            action()
    # kombu's timers for this connection; they would never end.
    for name, timer in vars(cycle).items():
        if name.endswith("_tref") and timer is not None:
            timer.cancel()
