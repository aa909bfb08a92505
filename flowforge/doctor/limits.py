"""Limits at which something has been waiting for long."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.doctor.findings import Finding, short
from flowforge.engine.engine import Engine
from flowforge.engine.limits import in_force
from flowforge.model.limit import MOST, LimitSettings
from flowforge.store.transitions.limits import LimitUsage

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
        why = counted(usage.waiting, "waits", "wait")
        why += f", the first one for {duration(max(0, now - since) / 1000)}"
        if force.most_running is not None:
            places = counted(force.most_running, "place is", "places are")
            why += f", {_taken(usage)} of {places} taken"
        if usage.rests_until is not None:
            why += f", it rests for {duration(max(0, usage.rests_until - now) / 1000)} more"
        texts.append(f"{short(key, 80)} ({why})")
        fixes.append(_fix(engine, usage, force))
    starving = counted(number, "key of a limit starves", "keys of limits starve")
    yield Finding("warn", "limits", f"{starving}: {'; '.join(texts)}", fixes[0])


def _taken(usage: LimitUsage) -> int:
    return usage.running + usage.reserved


def _fix(engine: Engine, usage: LimitUsage, force: LimitSettings) -> str:
    """What lets in what waits at a key; more places help only where it is they that are missing."""
    key = shlex.quote(usage.key)
    if usage.rests_until is not None:
        return (
            "it goes on by itself when the rest is over, for which a handler asked with Limited; "
            f"flowforge limits disable {key} lets everything in before"
        )
    if force.most_running is not None and _taken(usage) >= force.most_running:
        holders = engine.store.limits.holders(usage.key, 1)
        if force.hold == "invocation" and holders:
            return (
                f"flowforge explain {holders[0][0]} says what keeps the invocation that has the "
                "place, also while it waits for a retry"
            )
        return _more(key, "running", force.most_running)
    if force.most_started is not None:
        return _more(key, "rate", force.most_started)
    return f"flowforge limits show {key} has what is in force"


def _more(key: str, setting: str, number: int) -> str:
    return (
        f"flowforge limits set {key} {setting}={min(MOST, max(1, 2 * number))} lets more in; "
        f"flowforge limits show {key} has what holds the places"
    )
