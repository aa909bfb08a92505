"""kombu's Redis transports with the guard in front, for servers that may say anything."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from queue import Empty
from typing import Any

from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, _transport_cache  # type: ignore[attr-defined]
from kombu.transport import redis as stock
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps
from redis.exceptions import ConnectionError, ResponseError

from flowforge.broker.foreign import RefusedError
from flowforge.broker.guard import Guard
from flowforge.broker.qos import LOST, FleetQoS, QoS, described
from flowforge.broker.refusals import Refusals

logger = logging.getLogger(__name__)


class BrokerConnection(Connection):
    """Tries a lost broker again soon, however long it has been away.

    kombu's own pauses grow to half a minute, and a worker would idle for so long after an outage.
    A socket's URL, ``redis+socket://``, leaves the transport as it was chosen.
    """

    def __init__(self, hostname: Any = "localhost", *arguments: Any, **options: Any) -> None:
        super().__init__(hostname, *arguments, **options)
        if self.uri_prefix and options.get("transport"):
            # kombu takes the part before the plus sign for a transport, past the guard.
            self.transport_cls = options["transport"]

    def ensure_connection(
        self, errback: Callable[..., Any] | None = None, *arguments: Any, **options: Any
    ) -> Any:
        pauses = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}
        rarely = None if errback is None else _with_backoff(errback)
        return super().ensure_connection(rarely, *arguments, **{**pauses, **options})


def _with_backoff(errback: Callable[..., Any]) -> Callable[..., Any]:
    """What calls another for the first, second, fourth, eighth ... failure alone.

    A wrong password may stay so for days, in every worker of a fleet.
    """
    failures = 0

    def failed(*arguments: Any, **options: Any) -> None:
        nonlocal failures
        failures += 1
        if failures & (failures - 1) == 0:
            errback(*arguments, **options)

    return failed


@contextlib.contextmanager
def _best_effort(what: str) -> Iterator[None]:
    """For what no message depends on: a refusal of the server is logged and passed over."""
    try:
        yield
    except ResponseError as error:
        logger.warning("could not %s: %s", what, error)


class GuardMixin:
    """A kombu channel whose popped items pass the guard of its app first.

    Nothing that the server says ends the worker: an error in place of a message is none, and what
    kombu reads besides messages (broadcasts, bindings, lost messages) may be anything.
    """

    QoS = QoS

    # Without them a connection that fell silent blocks the worker without end: kombu's own upkeep
    # waits for replies in the event loop. Options of the app win. Seconds.
    socket_timeout = 10.0
    socket_connect_timeout = 5.0
    socket_keepalive = True
    health_check_interval = 10

    #: Set by ``guarded_transport``, for all channels to the server.
    guard: Guard
    refusals: Refusals

    #: The broker list of the latest message, without the app's prefix of keys.
    popped = ""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        try:
            super().__init__(*arguments, **options)
        except ResponseError as error:
            # What a connection is that is refused: kombu tries it again, with pauses.
            raise ConnectionError(str(error)) from error

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[misc]
        parse, separator = client.parse_response, self.sep  # type: ignore[attr-defined]

        def parse_response(connection: Any, command: Any, **options: Any) -> Any:
            if command != "BRPOP":
                return parse(connection, command, **options)
            try:
                reply = parse(connection, command, **options)
            except ResponseError as error:
                self.refusals.refused(error)
                # The next one may lead to another server, which has taken this one's place.
                connection.disconnect()
                return None
            self.refusals.answered()
            if not reply:
                return reply
            name, item = reply
            self.popped = bytes_to_str(name)
            queue = self.popped.rsplit(separator, 1)[0]
            admitted = self.guard.admit(queue, item)
            # None looks like a timeout to kombu, which then pops again.
            return None if admitted is None else (name, admitted)

        client.parse_response = parse_response
        return client

    def _brpop_start(self, timeout: Any = None) -> None:
        if self.refusals.over:
            super()._brpop_start(timeout)  # type: ignore[misc]

    def put_back(self, messages: list[tuple[str, Any]]) -> None:
        """Push messages to the end of their broker lists that is popped next."""
        if not messages:
            return
        try:
            with self.conn_or_acquire() as client:  # type: ignore[attr-defined]
                for broker_list, message in messages:
                    client.rpush(broker_list, dumps(message._raw))
        except Exception as error:  # noqa: BLE001 - kombu's client may be half taken down
            logger.warning(
                "could not put %d messages back on their lists; the upkeep pushes them again: %s",
                len(messages),
                described(error),
            )

    # kombu's tables of bindings and its counts: what it keeps of queues at the server.

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        # Others that send to this queue bind it as well, and most bindings are there already.
        with _best_effort(f"bind the queue {queue}"):
            super()._queue_bind(exchange, routing_key, pattern, queue)  # type: ignore[misc]

    def _refresh_bindings(self, queues: list[str]) -> None:
        with _best_effort("keep the bindings of queues"):
            super()._refresh_bindings(queues)  # type: ignore[misc]

    def sweep_bindings(self, limit: int = 100) -> Any:
        with _best_effort("remove old bindings of queues"):
            return super().sweep_bindings(limit)  # type: ignore[misc]

    def _delete(self, queue: str, *arguments: Any, **options: Any) -> None:
        with _best_effort(f"delete the queue {queue}"):
            super()._delete(queue, *arguments, **options)  # type: ignore[misc]

    def _size(self, queue: str) -> Any:
        with _best_effort(f"count the messages of queue {queue}"):
            return super()._size(queue)  # type: ignore[misc]

    def _do_restore_message(self, payload: Any, *arguments: Any, **options: Any) -> None:
        if type(payload) is not dict:
            # kombu would say so with a traceback, and forget it.
            raise RefusedError("it is no message")
        super()._do_restore_message(payload, *arguments, **options)  # type: ignore[misc]

    def _receive_one(self, client: Any) -> Any:
        try:
            return super()._receive_one(client)  # type: ignore[misc]
        except (*LOST, Empty):
            raise
        except Exception as error:  # noqa: BLE001 - a broadcast may be anything
            logger.warning("dropped a broadcast that kombu cannot read: %s", described(error))
            return False

    def _unsubscribe_from(self, queue: str) -> None:
        with contextlib.suppress(*LOST):
            super()._unsubscribe_from(queue)  # type: ignore[misc]

    def close(self) -> None:
        """Close; what cannot be done any more in order is left."""
        try:
            if self._in_poll:  # type: ignore[attr-defined]
                # kombu waits for this reply first, and would leave the rest undone.
                with contextlib.suppress(Empty, *LOST):
                    self._brpop_read()  # type: ignore[attr-defined]
            super().close()  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - kombu's client may be half taken down
            logger.warning("a broker channel was not closed in order: %s", described(error))


class FleetMixin(GuardMixin):
    """The channel of a worker that runs nothing but invocations: of kombu's keys it uses none."""

    QoS = FleetQoS

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        # A queue is bound for senders that name an exchange. The scripts push to lists.
        if not self.guard.holds_tasks(queue):
            super()._queue_bind(exchange, routing_key, pattern, queue)


def guarded_transport(guard: Guard, *, sentinel: bool) -> str:
    """Register a transport with this guard; returns its name for ``broker_transport``."""
    base = stock.SentinelTransport if sentinel else stock.Transport
    mixin = FleetMixin if guard.exclusive else GuardMixin
    own = {"guard": guard, "refusals": Refusals()}
    channel = type("GuardedChannel", (mixin, base.Channel), own)
    transport = type("GuardedTransport", (base,), {"Channel": channel})
    # kombu finds transports by name only; each app of the process needs one of its own.
    name = "flowforge" if "flowforge" not in TRANSPORT_ALIASES else f"flowforge-{id(transport):x}"
    aliases: dict[str, Any] = TRANSPORT_ALIASES
    aliases[name] = lambda: transport
    return name


def unregister_transport(name: str) -> None:
    """Take back what ``guarded_transport`` registered."""
    TRANSPORT_ALIASES.pop(name, None)
    # kombu keeps what it found by a name, and the next app gets the name with a guard of its own.
    _transport_cache.pop(name, None)
