"""What the doctor says: one finding a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from flowforge.store.reading import reading, typed

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """``check``: a fixed name for programs; ``fix``: what to do, empty when all is well."""

    level: Level
    check: str
    text: str
    fix: str = ""


@dataclass(frozen=True)
class Worker:
    """What a worker last said of itself. ``age``: seconds of the server's clock since then."""

    name: str
    age: int
    pid: int
    pool: str
    concurrency: int
    queues: frozenset[str]
    routines: frozenset[str]

    @classmethod
    def read(cls, name: str, age: int, facts: dict[str, Any]) -> Worker:
        """CorruptRecordError for facts of other types."""
        with reading(f"the report of worker {name}"):
            return cls(
                name,
                age,
                typed(facts.get("pid", 0), int),
                typed(facts.get("pool", "?"), str),
                typed(facts.get("concurrency") or 0, int),
                _names(facts, "queues"),
                _names(facts, "routines"),
            )


def _names(facts: dict[str, Any], key: str) -> frozenset[str]:
    return frozenset(typed(name, str) for name in typed(facts.get(key, []), list))
