"""The aggregate of one side of one day, and the sum of all of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from examples.flights.clean import Rejected
from examples.flights.rows import Flight
from examples.flights.tally import Flown, Tables, Tally, flown_by_carrier, tabulate, total

#: How many rejected rows the page shows for a reason: the year's first ones.
EXAMPLES = 2

#: The parts of a day: the two sides of its rows, and its weather, which has a form of its own.
ROWS, REJECTED, WEATHER = "rows", "rejected", "weather"


@dataclass
class Partial:
    """What a day's trusted or rejected rows add up to; ``flown`` only has trusted ones."""

    day: str
    tables: Tables
    flown: dict[str, Flown] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[list[str]]] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(
            {
                "day": self.day,
                "tables": {
                    name: {key: tally.to_list() for key, tally in table.items()}
                    for name, table in self.tables.items()
                },
                "flown": {key: flown.to_list() for key, flown in self.flown.items()},
                "reasons": self.reasons,
                "examples": self.examples,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Partial:
        raw: dict[str, Any] = json.loads(text)
        tables = {
            name: {key: Tally.from_list(values) for key, values in table.items()}
            for name, table in raw["tables"].items()
        }
        flown = {key: Flown.from_list(values) for key, values in raw["flown"].items()}
        return cls(raw["day"], tables, flown, raw["reasons"], raw["examples"])


def of_rows(day: str, flights: Sequence[Flight]) -> Partial:
    return Partial(day, tabulate(flights), flown_by_carrier(flights))


def of_rejected(day: str, rejected: Sequence[Rejected]) -> Partial:
    reasons: Counter[str] = Counter()
    examples: dict[str, list[list[str]]] = {}
    for row in rejected:
        reasons.update(row.reasons)
        for reason in row.reasons:
            shown = examples.setdefault(reason, [])
            if len(shown) < EXAMPLES:
                shown.append(list(row.fields))
    tables = tabulate(row.flight for row in rejected)
    return Partial(day, tables, reasons=dict(reasons), examples=examples)


@dataclass
class Joined:
    """The sum of all partials, with a tally a day and the number of rows that were rejected."""

    tables: Tables = field(default_factory=dict)
    days: dict[str, Tally] = field(default_factory=dict)
    flown: dict[str, Flown] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[list[str]]] = field(default_factory=dict)
    rejected: int = 0

    def add(self, partial: Partial) -> None:
        for name, table in partial.tables.items():
            mine = self.tables.setdefault(name, {})
            for key, tally in table.items():
                mine[key] = mine.get(key, Tally()).plus(tally)
        for carrier, flown in partial.flown.items():
            self.flown[carrier] = self.flown.get(carrier, Flown()).plus(flown)
        whole = total(partial.tables["carrier"])
        self.days[partial.day] = self.days.get(partial.day, Tally()).plus(whole)
        self._add_reasons(partial, whole.flights)

    def _add_reasons(self, partial: Partial, rows: int) -> None:
        if not partial.reasons:
            return
        self.rejected += rows
        self.reasons.update(partial.reasons)
        for reason, shown in partial.examples.items():
            self.examples[reason] = (self.examples.get(reason, []) + shown)[:EXAMPLES]


def join(partials: Iterable[Partial]) -> Joined:
    """Callers pass the partials ordered by day: only the choice of examples depends on it."""
    joined = Joined()
    for partial in partials:
        joined.add(partial)
    return joined
