"""Receiving through kombu, as a worker does."""

from __future__ import annotations

from typing import Any

from kombu import Connection, Consumer, Queue
from kombu.message import Message


def receive(connection: Connection, name: str) -> list[Message]:
    """What a kombu consumer gets from a list."""
    received: list[Message] = []
    channel: Any = connection.channel()
    with Consumer(
        channel, [Queue(name, routing_key=name)], on_message=received.append, accept=["json"]
    ):
        while channel.client.llen(name):
            connection.drain_events(timeout=5)
    return received
