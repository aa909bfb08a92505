"""How much each flow does, on all servers together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.store.throughput import Done, Throughput


class FlowRate(NamedTuple):
    """A minute of a flow: jobs that ended, and those of them that failed."""

    ended: int
    failed: int


def flow_rates(engines: Sequence[Engine], minutes: int) -> dict[str, list[FlowRate | None]]:
    """Flow id -> each of the latest ``minutes``, the oldest first; None where it is not known."""
    found: dict[str, list[FlowRate | None]] = {}
    for engine in engines:
        for flow_id, done in Throughput(engine.store).read(minutes).items():
            before = found.setdefault(flow_id, [None] * minutes)
            found[flow_id] = [_added(a, b) for a, b in zip(before, done, strict=True)]
    return found


def _added(rate: FlowRate | None, done: Done | None) -> FlowRate | None:
    if done is None:
        return rate
    before = rate or FlowRate(0, 0)
    ended = done.completed + done.failed + done.cancelled
    return FlowRate(before.ended + ended, before.failed + done.failed)
