"""Limits at which something has been waiting for long."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from flowforge.common.duration import duration
from flowforge.doctor.findings import Finding, short
from flowforge.engine.engine import Engine
from flowforge.engine.limits import in_force

#: Keys that are named.
_NAMED = 3


def examine_limits(engine: Engine) -> Iterator[Finding]:
    """The keys that starve, what their places are taken by, and what mends it."""
    limits, now = engine.store.limits, engine.overview.now()
    number, keys = limits.starving(_NAMED)
    if not number:
        return
    stored, texts, fixes = limits.stored(), [], []
    for (key, since), usage in zip(keys, limits.usage([key for key, _ in keys]), strict=True):
        force = in_force(key, stored)
        why = f"{usage.waiting} wait, the first one for {duration(max(0, now - since) / 1000)}"
        if force.most_running is not None:
            why += f", {usage.running + usage.reserved} of {force.most_running} places are taken"
        if usage.rests_until is not None:
            why += ", it rests"
        texts.append(f"{short(key, 80)} ({why})")
        setting = "running" if force.most_running is not None else "rate"
        fixes.append(f"flowforge limits set {shlex.quote(key)} {setting}=N")
    yield Finding(
        "warn", "limits", f"{number} keys of limits starve: {'; '.join(texts)}",
        f"flowforge limits show {shlex.quote(keys[0][0])} has what holds the places; {fixes[0]} "
        "lets more in",
    )  # fmt: skip
