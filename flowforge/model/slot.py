"""A routine's named input: the method that handles it and how deliveries merge."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from flowforge.errors import (
    DefinitionError,
    NotRebuildableError,
    UnknownRoutineClassError,
)
from flowforge.model import registry
from flowforge.model.join import Join
from flowforge.model.limit import LimitArgument, Named, named_limits, read_uses, resolved
from flowforge.model.locate import address_of, find
from flowforge.model.names import check_name, check_names
from flowforge.model.records import Record, read, read_list, read_optional
from flowforge.model.times.start import Delay, timeout_ms

Params: TypeAlias = dict[str, Any]
MergeFunction: TypeAlias = Callable[[Params, Params], Params]
MergeStrategy: TypeAlias = str | MergeFunction

#: ``override``: each delivery alone. ``append``: a list of values per key.
NAMED_STRATEGIES = ("override", "append")

#: The pseudo slot that hears of the end of a job which a handler has started, and its index.
CHILD_SLOT = "child job"
CHILD_SLOT_INDEX = 99_999

#: The compensation of a routine's slot has this index and that of the slot added up; its name is
#: that of the slot with this behind it.
UNDO_SLOT_INDEX = 50_000
UNDO_SLOT = " (undo)"

#: The pseudo slot of a routine that overrides ``__call__``; no slot may take the name.
CALL_SLOT = "__call__"


class _Owner(Protocol):
    """Whatever has the handler: a routine."""


@dataclass(frozen=True, slots=True)
class Slot:
    """An input. It names its handler, so that the routine can be rebuilt in another process."""

    name: str
    handler_name: str
    merge_strategy: MergeStrategy = "override"
    #: Params that never reach history or logs.
    secret: frozenset[str] = frozenset()
    #: How deliveries are collected; None: each is handled on its own.
    join: Join | None = None
    #: Milliseconds that an attempt at a delivery may take; 0: as long as it wants.
    timeout_ms: int = 0
    #: The method that undoes what the handler has done; None: nothing does.
    undo_name: str | None = None
    #: What limits the attempts at its deliveries.
    limits: tuple[Named, ...] = ()
    routine: _Owner | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        name: str,
        handler_name: str,
        merge_strategy: MergeStrategy = "override",
        secret: Iterable[str] = (),
        join: Join | None = None,
        timeout: Delay | None = None,
        undo_name: str | None = None,
        limit: LimitArgument | None = None,
    ) -> Slot:
        """Make a slot from what a user wrote; ValueError says what is unfit."""
        check_name("slot name", name)
        if name == CALL_SLOT:
            raise DefinitionError(f"{CALL_SLOT!r} is no slot name: override __call__ instead")
        if name == CHILD_SLOT:
            raise DefinitionError(f"{CHILD_SLOT!r} is no slot name: it is for child jobs")
        hidden = frozenset(check_names(f"secret of slot {name!r}", secret))
        if join is not None and not isinstance(join, Join):
            raise DefinitionError(f"join of slot {name!r} must be a Join, not {join!r}")
        if join is not None and merge_strategy != "override":
            raise DefinitionError(
                f"slot {name!r} has a join and a merge strategy: a join collects every item "
                "itself, so leave merge_strategy out"
            )
        strategy = _checked_strategy(name, merge_strategy)
        longest = timeout_ms(f"timeout of slot {name!r}", timeout)
        limits = named_limits(f"slot {name!r}", limit)
        return cls(name, handler_name, strategy, hidden, join, longest, undo_name, limits)

    def bound_to(self, routine: _Owner) -> Slot:
        """Return this slot with the routine whose method ``handler`` is."""
        return replace(self, routine=routine)

    @property
    def handler(self) -> Callable[..., object]:
        """The bound method that receives deliveries."""
        method: Callable[..., object] = getattr(self.routine, self.handler_name)
        return method

    @property
    def merges(self) -> bool:
        """Whether the handler sees earlier deliveries of the job as well."""
        return self.merge_strategy != "override"

    def merge(self, values: Iterable[Params]) -> Params:
        """Fold payloads, oldest first, into what the handler receives."""
        merged: Params = {}
        if callable(self.merge_strategy):
            for payload in values:
                merged = self._call_merge(self.merge_strategy, merged, payload)
        elif self.merge_strategy == "append":
            for payload in values:
                for key, value in payload.items():
                    merged.setdefault(key, []).append(value)
        else:
            for payload in values:
                merged = payload
        return merged

    def _call_merge(self, function: MergeFunction, old: Params, new: Params) -> Params:
        merged = function(old, new)
        if not isinstance(merged, dict):
            raise DefinitionError(
                f"merge strategy {address_of(function)} of slot {self.name!r} must return a dict, "
                f"not {type(merged).__name__}"
            )
        return merged

    def serialize(self) -> Record:
        strategy = self.merge_strategy
        return {
            "name": self.name,
            "handler": self.handler_name,
            "merge_strategy": address_of(strategy) if callable(strategy) else strategy,
            "secret": sorted(self.secret),
            "join": None if self.join is None else self.join.serialize(),
            # Left out where there is none, so that a flow without timeouts keeps its hash.
            **({"timeout_ms": self.timeout_ms} if self.timeout_ms else {}),
            # Left out where it says nothing, so that a flow without it keeps its hash.
            **({} if self.undo_name is None else {"undo": self.undo_name}),
            # Left out where there is none, so that a flow without limits keeps its hash.
            **({"limits": self._uses()} if self.limits else {}),
        }

    def _uses(self) -> list[list[str | None]]:
        return [list(use) for use in resolved(self.limits, f"slot {self.name!r}")]

    @classmethod
    def deserialize(cls, data: Record) -> Slot:
        """Rebuild; UnknownRoutineClassError names a merge function this process lacks."""
        name = read(data, "name", str, "a slot")
        where = f"slot {name!r}"
        strategy: MergeStrategy = read(data, "merge_strategy", str, where)
        if strategy not in NAMED_STRATEGIES and ":" in str(strategy):
            strategy = _found_merge(name, str(strategy))
        secret = read_list(data, "secret", str, where)
        raw = read_optional(data, "join", dict, where) if "join" in data else None
        join = None if raw is None else Join.deserialize(raw)
        limits = read_uses(data["limits"], where) if "limits" in data else None
        handler = read(data, "handler", str, where)
        found = cls.of(name, handler, strategy, secret, join, limit=limits)
        ms = read_optional(data, "timeout_ms", int, where) or 0
        return replace(found, timeout_ms=ms, undo_name=read_optional(data, "undo", str, where))


def _checked_strategy(slot: str, strategy: MergeStrategy) -> MergeStrategy:
    if isinstance(strategy, str) and strategy in NAMED_STRATEGIES:
        return strategy
    if not callable(strategy):
        known = ", ".join(repr(name) for name in NAMED_STRATEGIES)
        raise DefinitionError(
            f"unknown merge strategy {strategy!r} of slot {slot!r}; known: {known}, "
            "or a function (old, new) -> dict"
        )
    if not inspect.isfunction(strategy) or address_of(strategy) is None:
        raise NotRebuildableError(
            f"merge strategy {strategy!r} of slot {slot!r} cannot be found by name in another "
            "process: write it with def at the top level of an importable module"
        )
    return strategy


def _found_merge(slot: str, address: str) -> MergeFunction:
    # Functions only: a record must not be able to name a class or a builtin such as exec.
    found = find(address)
    if inspect.isfunction(found):
        return found
    raise UnknownRoutineClassError(
        f"this process has not imported the merge strategy {address!r} of slot {slot!r}: "
        f"{registry.remedy(address.replace(':', '.'))}"
    )
