"""What the doctor says: one finding a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

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
        return cls(
            name,
            age,
            int(facts.get("pid", 0)),
            str(facts.get("pool", "?")),
            int(facts.get("concurrency") or 0),
            frozenset(facts.get("queues", ())),
            frozenset(facts.get("routines", ())),
        )
