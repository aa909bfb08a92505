"""The limits of a delivery: whose keys all deliveries to a slot share, and whose it has with it.

Those that all share are in the stored definition, so a plain limit costs a delivery nothing to
carry.
"""

from __future__ import annotations

from flowforge.model.definition import Definition
from flowforge.model.limit import LimitUse, together


def fixed_keys(definition: Definition, routine: int, slot: int) -> tuple[str, ...]:
    """The keys at which every delivery to a slot counts, in the order in which places are taken.

    Empty where they differ, by params or by connections, and where the slot has no limits.
    """
    limits = definition.limits(routine, slot)
    if not limits or any(use.per is not None for use in limits):
        return ()
    spec = definition.routines[routine]
    if (spec.id, spec.slot_names[slot]) in definition.limited_connections:
        return ()
    return tuple(use.name for use in together(limits))


def keyed_limits(
    definition: Definition, routine: int, slot: int, more: tuple[LimitUse, ...] = ()
) -> tuple[LimitUse, ...]:
    """The limits whose keys a delivery has with it, in the same order.

    ``more``: those of its connection.
    """
    if not more and fixed_keys(definition, routine, slot):
        return ()
    return together(definition.limits(routine, slot), more)
