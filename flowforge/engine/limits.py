"""Limits of one fleet: what is in force, changing it, and what holds and waits for places."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.limit import WHOLE_JOB, LimitRule, LimitSettings, check_limit_name
from flowforge.store.store import Store
from flowforge.store.transitions.limits import LimitUsage, StoredLimit


def in_force(key: str, stored: Iterable[StoredLimit]) -> LimitSettings:
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


#: Settings whose fields have other names.
_FIELDS = {"period": "period_ms"}


class SettingInForce(NamedTuple):
    """A setting of a key: ``text``: its value. ``source``: ``code``, ``set for`` the key or its
    limit by a person, or ``default``.
    """

    name: str
    text: str
    source: str


def settings_in_force(key: str, stored: Iterable[StoredLimit]) -> list[SettingInForce]:
    """Each setting that counts at a key, and where it comes from."""
    stored = list(stored)
    force = in_force(key, stored)
    texts = {"running": _bound(force.most_running), "rate": _bound(force.most_started)}
    if force.most_started is not None:
        texts |= {"period": f"{force.period:g} s", "burst": str(force.burst or 1)}
    texts |= {"when_full": force.when_full or "", "hold": force.hold or ""}
    texts["state"] = "disabled" if force.state == "off" else "on"
    return [SettingInForce(name, text, _source(name, key, stored)) for name, text in texts.items()]


def _source(setting: str, key: str, stored: Iterable[StoredLimit]) -> str:
    name = key.partition("/")[0]
    by_field = {(one.key, one.declared): one.settings for one in stored}
    words = {(key, False): f"set for {key}", (name, False): f"set for {name}", (name, True): "code"}
    for field, source in words.items():
        settings = by_field.get(field)
        if settings is not None and getattr(settings, _FIELDS.get(setting, setting)) is not None:
            return source
    return "default"


def _bound(number: int | None) -> str:
    return "without bound" if number is None else str(number)


def holder_number(invocation: str) -> int | None:
    """The number of an invocation that has a place or waits; None: its job has, as a whole."""
    return None if invocation == WHOLE_JOB else int(invocation.partition(".")[0])


def holder_text(job_id: str, invocation: str) -> str:
    """What has a place."""
    number = holder_number(invocation)
    return f"job {job_id}" + ("" if number is None else f" invocation {number}")


class KeyInUse(NamedTuple):
    """A limit or one of its keys: what it has, and what is in force there."""

    usage: LimitUsage
    settings: LimitSettings


class LimitControl:
    """What can be done to the limits of one server."""

    def __init__(self, store: Store) -> None:
        self._limits = store.limits
        self.stored, self.keys = self._limits.stored, self._limits.keys
        self.usage, self.holders = self._limits.usage, self._limits.holders
        self.waiters = self._limits.waiters

    def in_use(self, wanted: str | None = None) -> list[KeyInUse]:
        """Limits and their keys at which something runs or waits; of more keys than can be read at
        once about 10,000. ``wanted``: those of this limit, or this key, also if nothing does.
        """
        stored = self.stored()
        name = None if wanted is None else wanted.partition("/")[0]
        keys = {one.key for one in stored} | set(self.keys(name))
        if wanted is not None:
            keys = {key for key in keys if wanted in (key, key.partition("/")[0])}
            if any(one.key.partition("/")[0] == name for one in stored):
                keys.add(wanted)
        return [KeyInUse(usage, in_force(usage.key, stored)) for usage in self.usage(sorted(keys))]

    def listed(
        self, limit: int, wanted: str | None = None, behind: str = ""
    ) -> tuple[list[KeyInUse], bool]:
        """The same in the order of their names, ``limit`` of those ``behind`` a key; and whether
        there are more. All names are read for it.
        """
        if wanted is not None and "/" in wanted:
            return self.in_use(wanted), False
        stored = self.stored()
        keys = {one.key for one in stored if wanted in (None, one.key.partition("/")[0])}
        keys.update(self._limits.keys_behind(behind, wanted, limit + 1))
        page = sorted(key for key in keys if key > behind)
        usages = self.usage(page[:limit])
        return [KeyInUse(one, in_force(one.key, stored)) for one in usages], len(page) > limit

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

    def reset(self, key: str) -> bool:
        """Forget what an operator has set for a limit or a key; whether there was anything."""
        found = self._limits.remove(checked_key(key), declared=False)
        self._let_in(key)
        return found

    def remove(self, key: str) -> bool:
        """Forget what was set for a limit or a key, and what code has said of a limit, which a
        worker that declares it writes again; whether there was anything.
        """
        checked_key(key)
        found = self._limits.remove(key, declared="/" not in key)
        self._let_in(key)
        return found

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
