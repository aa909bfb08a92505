"""Of which type the keys are that there is one of, and which are not."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.store.keys import PATTERNS
from flowforge.store.store import Store

#: Those without an argument, by the type that the table of keys gives them.
_OF_TYPE = {
    "string": ("server", "leader", "limit_home", "limit_number", "dead_letter_number"),
    "list": ("deletions",),
    "stream": ("outbox", "audit"),
    "hash": (
        "queue_pauses", "fair_lists", "entries", "flow_counts", "assignees", "sequences", "workers",
        "handlers", "damaged", "hooks", "hook_places", "limits", "limit_promises",
        "limit_starving", "job_totals",
    ),
    "zset": (
        "leases", "attempt_ends", "timers", "open_expectations", "expiry", "error_groups", "bulks",
        "active_bulks", "schedules", "limit_keys", "dead_letters",
    ),
}  # fmt: skip

#: Key -> its type.
TYPES = {name: kind for kind, names in _OF_TYPE.items() for name in names}

SINGLE = tuple(name for name, pattern in PATTERNS.items() if "{}" not in pattern)


class WrongType(NamedTuple):
    """A key that something else lies in place of."""

    key: str
    found: str
    expected: str


def wrong_types(store: Store) -> list[WrongType]:
    """Those that there are, of the keys without an argument."""
    keys = [store.keys.of(name) for name in SINGLE]
    found = store.link.many([("TYPE", key) for key in keys])
    return [
        WrongType(key, kind.decode(), TYPES[name])
        for name, key, kind in zip(SINGLE, keys, found, strict=True)
        if kind.decode() not in ("none", TYPES[name])
    ]
