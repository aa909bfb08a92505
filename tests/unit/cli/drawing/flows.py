"""Flows and jobs to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowforge import Flow, Routine, routine
from flowforge.cli.drawing.subject import Subject


@routine(events=["out"])
def step(self: Routine, n: int) -> None:
    """Nothing is done."""


def flow_of(names: Sequence[str], edges: Sequence[tuple[int, int]]) -> Flow:
    flow = Flow("drawn")
    for name in names:
        flow.add_routine(step, name)
    for source, target in edges:
        flow.connect(names[source], "out", names[target], "input")
    return flow


def subject(names: Sequence[str], edges: Sequence[tuple[int, int]]) -> Subject:
    return Subject(flow_of(names, edges).definition())


def state(status: str, **counts: int) -> dict[str, Any]:
    zero = dict.fromkeys(("completed", "running", "failed", "retried"), 0)
    return {"status": status, **zero, **counts}


#: What a terminal, Mermaid, HTML or a reader's eye might obey; no control characters, which no
#: routine may have in its id.
HOSTILE = '"]-->x["<script>alert(1)</script>&%%{init}%%`;#\u202e'
