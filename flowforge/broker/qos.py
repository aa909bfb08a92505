"""What a channel has fetched and not acknowledged yet.

kombu's acknowledgement bookkeeping costs more than half of a stock worker's time. An invocation
does not need it: its state is in the store, and a lost message is found and pushed again. Messages
of other tasks keep the guarantees that kombu gives them, as far as the server lets it: its keys may
hold anything, and the server may refuse to write them.
"""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis as stock
from kombu.transport import virtual
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from flowforge.broker.message import MARK

logger = logging.getLogger(__name__)

#: What says that a connection is lost. kombu's own list has KeyError as well, which a malformed
#: record raises.
LOST = (ConnectionError, TimeoutError, OSError)


def described(error: Exception) -> str:
    """What went wrong, in a line; redis-py's errors have no words of their own in ``repr``."""
    return f"{type(error).__name__}: {error}"


class QoS(stock.QoS):
    """Keeps unacknowledged invocations in memory only, everything else as kombu does."""

    channel: Any
    _delivered: Any
    _flush: Any
    _remove_from_indices: Any

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        #: Tags of invocations to be acknowledged, with the broker list that each was popped from; a
        #: duplicate has the same tag. Those given back stay: their handlers may still run, and end
        #: with an acknowledgement.
        self._invocations: dict[str, list[str]] = {}

    def append(self, message: Any, delivery_tag: str) -> None:
        if MARK in message.headers:
            self._invocations.setdefault(delivery_tag, []).append(self.channel.popped)
            virtual.QoS.append(self, message, delivery_tag)
            return
        try:
            super().append(message, delivery_tag)
        except ResponseError as error:
            # It has left its list: to give it up now would be to lose it.
            logger.warning(
                "a message is kept in this worker's memory alone, and lost with it: %s", error
            )
            virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        if delivery_tag in self._invocations:
            self._forget(delivery_tag)
            return
        try:
            super().ack(delivery_tag)
        except ResponseError as error:
            logger.warning("an acknowledged message will be delivered again: %s", error)
            virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if delivery_tag not in self._invocations:
            super().reject(delivery_tag, requeue)
            return
        if requeue and delivery_tag in self._delivered:
            self.channel.put_back([self._popped(delivery_tag)])
        self._forget(delivery_tag)

    def _popped(self, delivery_tag: str) -> tuple[str, Any]:
        return self._invocations[delivery_tag][-1], self._delivered[delivery_tag]

    def _forget(self, delivery_tag: str) -> None:
        lists = self._invocations[delivery_tag]
        lists.pop()
        if not lists:
            del self._invocations[delivery_tag]
        virtual.QoS.ack(self, delivery_tag)

    def restore_unacked(self, client: Any = None) -> Any:
        """Give back at a stop or a lost connection; a duplicate of a running one is harmless."""
        self._flush()
        # A pool of threads acknowledges meanwhile.
        fetched = [
            (lists[-1], message)
            for tag, lists in list(self._invocations.items())
            if lists and (message := self._delivered.pop(tag, None)) is not None
        ]
        self.channel.put_back(fetched)
        return super().restore_unacked(client) if self._delivered else None

    def restore_unacked_once(self, stderr: Any = None) -> None:
        try:
            super().restore_unacked_once(stderr)
        except Exception as error:  # noqa: BLE001 - kombu's client is half taken down here
            # The messages come back by themselves: invocations through the store, other tasks after
            # kombu's visibility timeout. The worker must go on.
            logger.warning("could not put messages back on their lists: %s", described(error))

    def restore_visible(self, start: int = 0, num: int = 10, interval: int = 10) -> None:
        """Give back what other workers fetched and have not acknowledged for too long."""
        try:
            super().restore_visible(start, num, interval)
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - the keys may hold anything
            logger.warning("could not look for lost messages of other tasks: %s", described(error))

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        try:
            super().restore_by_tag(tag, client, leftmost)
        except LOST:
            raise
        except Exception as error:  # noqa: BLE001 - the record may be anything
            # One record that cannot be read must not keep the others from their queues.
            self._bury(tag, f"cannot be given back to its queue: {type(error).__name__}")

    def _bury(self, tag: Any, reason: str) -> None:
        with self.channel.conn_or_acquire() as client:
            record = client.hget(self.unacked_key, tag)
            if record is not None:
                self.channel.guard.bury(self.unacked_key, record, reason)
            self._remove_from_indices(tag, client.pipeline()).execute()


class FleetQoS(QoS):
    """That of a worker which runs invocations alone: it looks at no other worker's messages."""

    def restore_visible(self, *arguments: Any, **options: Any) -> None:
        """Nothing: a fleet keeps no message in kombu's keys, so what is there is not its own."""
