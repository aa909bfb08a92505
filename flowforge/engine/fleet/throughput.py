"""How much the flows do over time, on all servers together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.store.fleet_reads.throughput import QUARTER, Done


class Period(NamedTuple):
    """``times`` of so many ``minutes`` each, up to now."""

    times: int
    minutes: int


HOUR = Period(60, 1)
DAY = Period(96, QUARTER)


@dataclass(frozen=True)
class Rates:
    """What was done in each time of a period, the oldest first; None where it is not known.

    ``flows``: by flow id; the empty id has the flows that are counted together.
    """

    period: Period
    flows: Mapping[str, Sequence[Done | None]]

    def of(self, flow_id: str) -> Sequence[Done | None]:
        """That of one flow."""
        return self.flows.get(flow_id, ())

    @property
    def whole(self) -> list[Done | None]:
        """That of all flows together; empty where nothing is known."""
        found: list[Done | None] = [None] * self.period.times if self.flows else []
        for done in self.flows.values():
            found = _added(found, done)
        return found


def throughput(engines: Iterable[Engine], period: Period) -> Rates:
    """What the flows did in a period that ends with the latest whole time of it."""
    found: dict[str, list[Done | None]] = {}
    for engine in engines:
        for flow_id, done in engine.throughput.read(*period).items():
            found[flow_id] = _added(found.get(flow_id, [None] * period.times), done)
    return Rates(period, found)


def _added(some: Sequence[Done | None], others: Sequence[Done | None]) -> list[Done | None]:
    return [
        one or other if one is None or other is None else one.plus(other)
        for one, other in zip(some, others, strict=True)
    ]
