"""The link from one routine's event to another's slot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from flowforge.common.bounded_repr import shown
from flowforge.errors import CorruptRecordError, DefinitionError
from flowforge.model.limit import LimitUse, read_uses
from flowforge.model.records import Record, read, read_optional

#: Source routine, its event, target routine, its slot.
Ends: TypeAlias = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Connection:
    """Carries params from an event to a slot; ``param_mapping`` is {event param: slot param}.

    ``delay_ms``: milliseconds after the emission at which the delivery is made.
    """

    source_routine_id: str
    source_event: str
    target_routine_id: str
    target_slot: str
    param_mapping: Mapping[str, str] = field(default_factory=dict, hash=False)
    delay_ms: int = 0
    #: What limits the attempts at its deliveries, beside the limits of the slot.
    limits: tuple[LimitUse, ...] = ()

    def __post_init__(self) -> None:
        mapping = _checked(self.param_mapping, str(self))
        object.__setattr__(self, "param_mapping", mapping)

    @property
    def ends(self) -> Ends:
        """What it connects; a flow has one connection between the same ends."""
        return (
            self.source_routine_id, self.source_event, self.target_routine_id, self.target_slot,
        )  # fmt: skip

    def __str__(self) -> str:
        return (
            f"{self.source_routine_id}.{self.source_event} -> "
            f"{self.target_routine_id}.{self.target_slot}"
        )

    def apply(self, params: dict[str, Any]) -> dict[str, Any]:
        """Rename params: mapped ones move and win over unmapped ones, which pass through.

        Without a mapping this is ``params`` itself: whoever delivers makes the copy.
        """
        mapping = self.param_mapping
        if not mapping:
            return params
        renamed = {name: value for name, value in params.items() if name not in mapping}
        for source, target in mapping.items():
            if source in params:
                renamed[target] = params[source]
        return renamed

    def inside(self, prefix: str) -> Connection:
        """Return the same link between routines whose ids have got a prefix."""
        return replace(
            self,
            source_routine_id=prefix + self.source_routine_id,
            target_routine_id=prefix + self.target_routine_id,
        )

    def serialize(self) -> Record:
        return {
            "source_routine_id": self.source_routine_id,
            "source_event": self.source_event,
            "target_routine_id": self.target_routine_id,
            "target_slot": self.target_slot,
            "param_mapping": dict(self.param_mapping),
            # Left out where there is none, so that a flow without delays keeps its hash.
            **({"delay_ms": self.delay_ms} if self.delay_ms else {}),
            **({"limits": [list(use) for use in self.limits]} if self.limits else {}),
        }

    @classmethod
    def deserialize(cls, data: Record) -> Connection:
        """Rebuild; CorruptRecordError says which field is malformed."""
        where = "a connection"
        try:
            return cls(
                read(data, "source_routine_id", str, where),
                read(data, "source_event", str, where),
                read(data, "target_routine_id", str, where),
                read(data, "target_slot", str, where),
                read(data, "param_mapping", dict, where),
                read_optional(data, "delay_ms", int, where) or 0,
                read_uses(data["limits"], where) if "limits" in data else (),
            )
        except DefinitionError as error:
            raise CorruptRecordError(str(error)) from error


def _checked(mapping: object, where: str) -> dict[str, str]:
    """Return a copy, so that no later change of the caller's mapping reaches a connection."""
    if not isinstance(mapping, Mapping):
        raise DefinitionError(
            f"param_mapping of {where} must be a dict of event param to slot param, not "
            f"{shown(mapping)}"
        )
    origin: dict[str, str] = {}
    for source, target in mapping.items():
        if not (isinstance(source, str) and isinstance(target, str) and source and target):
            raise DefinitionError(
                f"param_mapping of {where} holds {shown(source)}: {shown(target)}; both must be "
                "param names"
            )
        if target in origin:
            raise DefinitionError(
                f"param_mapping of {where} sends both {origin[target]!r} and {shown(source)} to "
                f"{shown(target)}; only one value can arrive under a name"
            )
        origin[target] = source
    return dict(mapping)
