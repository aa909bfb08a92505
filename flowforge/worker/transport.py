"""kombu's Redis transports with the guard in front and cheap bookkeeping for invocations.

kombu's acknowledgement bookkeeping costs more than half of a stock worker's time. An invocation
does not need it: its state is in the store, and a lost message is found and pushed again. Messages
of other tasks keep the guarantees that kombu gives them.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from kombu import Connection
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as stock
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import dumps

from flowforge.worker.envelope import MARK
from flowforge.worker.guard import Guard

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

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        pauses = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}
        return super().ensure_connection(*arguments, **{**pauses, **options})


class QoS(stock.QoS):
    """Keeps unacknowledged invocations in memory only, everything else as kombu does."""

    channel: Any
    _delivered: Any
    _flush: Any

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        #: Tags of invocations to be acknowledged; a duplicate has the same tag. Those given back
        #: stay: their handlers may still run, and end with an acknowledgement.
        self._invocations: Counter[str] = Counter()

    def append(self, message: Any, delivery_tag: str) -> None:
        if MARK in message.headers:
            self._invocations[delivery_tag] += 1
            virtual.QoS.append(self, message, delivery_tag)
        else:
            super().append(message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        if delivery_tag in self._invocations:
            self._forget(delivery_tag)
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if delivery_tag in self._invocations:
            if requeue and delivery_tag in self._delivered:
                self.channel.put_back([self.get(delivery_tag)])
            self._forget(delivery_tag)
        else:
            super().reject(delivery_tag, requeue)

    def _forget(self, delivery_tag: str) -> None:
        self._invocations[delivery_tag] -= 1
        if not self._invocations[delivery_tag]:
            del self._invocations[delivery_tag]
        virtual.QoS.ack(self, delivery_tag)

    def restore_unacked(self, client: Any = None) -> Any:
        """Give back at a stop or a lost connection; a duplicate of a running one is harmless."""
        self._flush()
        # A pool of threads acknowledges meanwhile.
        held = [
            message
            for tag in list(self._invocations)
            if (message := self._delivered.pop(tag, None)) is not None
        ]
        self.channel.put_back(held)
        return super().restore_unacked(client)

    def restore_unacked_once(self, stderr: Any = None) -> None:
        try:
            super().restore_unacked_once(stderr)
        except self.channel.connection_errors:
            # The server is gone. What was held comes back by itself: invocations through the
            # store, other tasks after kombu's visibility timeout. The worker must go on.
            logger.warning("could not give messages back: the broker connection is lost")


class GuardMixin:
    """A kombu channel whose popped items pass the guard of its app first."""

    QoS = QoS

    # Without them a connection that fell silent blocks the worker for ever: kombu's own upkeep
    # waits for replies in the event loop. Options of the app win. Seconds.
    socket_timeout = 10.0
    socket_connect_timeout = 5.0
    socket_keepalive = True
    health_check_interval = 10

    #: Set by ``guarded_transport``.
    guard: Guard

    def _create_client(self, asynchronous: bool = False) -> Any:
        client = super()._create_client(asynchronous)  # type: ignore[misc]
        parse, separator = client.parse_response, self.sep  # type: ignore[attr-defined]

        def parse_response(connection: Any, command: Any, **options: Any) -> Any:
            reply = parse(connection, command, **options)
            if command != "BRPOP" or not reply:
                return reply
            name, item = reply
            queue = bytes_to_str(name).rsplit(separator, 1)[0]
            admitted = self.guard.admit(queue, item)
            # None looks like a timeout to kombu, which then pops again.
            return None if admitted is None else (name, admitted)

        client.parse_response = parse_response
        return client

    def put_back(self, messages: list[Any]) -> None:
        """Push messages to the end of their lists that is popped next."""
        if not messages:
            return
        try:
            with self.conn_or_acquire() as client:  # type: ignore[attr-defined]
                for message in messages:
                    raw = message._raw
                    queue = raw["properties"]["delivery_info"]["routing_key"]
                    priority = self._get_message_priority(raw)  # type: ignore[attr-defined]
                    client.rpush(self._q_for_pri(queue, priority), dumps(raw))  # type: ignore[attr-defined]
        except self.connection_errors:  # type: ignore[attr-defined]
            logger.warning("could not give %d invocations back; the sweep will", len(messages))


def guarded_transport(guard: Guard, *, sentinel: bool) -> str:
    """Register a transport with this guard; returns its name for ``broker_transport``."""
    base = stock.SentinelTransport if sentinel else stock.Transport
    channel = type("GuardedChannel", (GuardMixin, base.Channel), {"guard": guard})
    transport = type("GuardedTransport", (base,), {"Channel": channel})
    # kombu finds transports by name only; each app of the process needs one of its own.
    name = "flowforge" if "flowforge" not in TRANSPORT_ALIASES else f"flowforge-{id(transport):x}"
    aliases: dict[str, Any] = TRANSPORT_ALIASES
    aliases[name] = lambda: transport
    return name
