"""Limits of one fleet: what is in force, changing it, and what holds and waits for places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.limit import LimitRule, LimitSettings, check_limit_name
from flowforge.store.limits import StoredLimit
from flowforge.store.store import Store


class LimitControl:
    """What can be done to the limits of one server."""

    def __init__(self, store: Store) -> None:
        self._limits = store.limits
        self.stored, self.keys = self._limits.stored, self._limits.keys
        self.usage, self.holders = self._limits.usage, self._limits.holders

    def declare(self, rules: Iterable[LimitRule]) -> None:
        """Write what the code says of limits."""
        for rule in rules:
            self._limits.declare(rule.name, rule.settings, rule.per)
            self._let_in(rule.name)

    def set(self, key: str, settings: LimitSettings) -> None:
        """Set what is in force for a limit, or for one of its keys, at once."""
        self._limits.set(checked_key(key), settings)
        self._let_in(key)

    def switch(self, key: str, on: bool) -> None:
        """Have a limit, or one of its keys, let everything in, or count again."""
        self.set(key, LimitSettings(state="on" if on else "off"))

    def remove(self, key: str) -> bool:
        """Forget what was set for a limit or a key, and what code has said of a limit, which a
        worker that declares it writes again; whether there was anything.
        """
        checked_key(key)
        found = self._limits.remove(key, declared="/" not in key)
        self._let_in(key)
        return found

    def in_force(self, key: str, stored: Iterable[StoredLimit]) -> LimitSettings:
        """What counts at a key: what is set for it, else for the limit, else what the code says."""
        found = LimitSettings()
        name = key.partition("/")[0]
        by_field = {(one.key, one.declared): one.settings for one in stored}
        for field in ((name, True), (name, False), (key, False)):
            if field in by_field:
                found = by_field[field].over(found)
        return replace(
            found, when_full=found.when_full or "wait", hold=found.hold or "attempt",
            state=found.state or "on",
        )  # fmt: skip

    def _let_in(self, key: str) -> None:
        name, slash, _ = key.partition("/")
        # Of more keys than these the leader finds what may be let in.
        self._limits.let_in([key] if slash else self._limits.keys(name))


def checked_key(key: str) -> str:
    """A name, or a name and a value behind a slash; InvalidValueError."""
    name, slash, value = key.partition("/")
    check_limit_name(name)
    if slash and not (value and value.isprintable()):
        raise InvalidValueError(f"a key is NAME or NAME/VALUE, not {shown(key)}")
    return key
