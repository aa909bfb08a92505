"""All groups of measures, in the order of the table."""

from __future__ import annotations

from benchmarks.frame.rows import Group
from benchmarks.measures import (
    canvas,
    chain,
    fanout,
    imports,
    index,
    latency,
    queues,
    submit,
    waiting,
)

GROUPS: tuple[Group, ...] = (
    chain.GROUP,
    canvas.GROUP,
    queues.GROUP,
    fanout.GROUP,
    waiting.GROUP,
    latency.GROUP,
    submit.GROUP,
    index.GROUP,
    imports.GROUP,
)
