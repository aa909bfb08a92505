"""What the handlers of the routine classes take, as workers that have imported them say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import RecordError
from flowforge.model.definition import Definition, RoutineSpec
from flowforge.model.handler_params import HandlerParams, from_record, of_class, record
from flowforge.model.slot import CALL_SLOT, UNDO_SLOT_INDEX
from flowforge.store.reading import reading
from flowforge.store.store import Store

#: Seconds after the latest worker's word until all of it is forgotten.
_KEPT = 7 * 86400

#: Bytes of a class; a larger one is left out, by those who write it and by those who read it.
_MOST = 16_384

#: Classes that are written with one command.
_PIECE = 100


class HandlerRecords:
    """The latest word on each class: that of the worker that said it last."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._key = store.keys.of("handlers")

    def write(self, classes: Mapping[str, type]) -> int:
        """Say what these classes take; how many were told."""
        packed = {name: _packed(name, cls) for name, cls in sorted(classes.items())}
        told = [(name, one) for name, one in packed.items() if one is not None]
        for start in range(0, len(told), _PIECE):
            pairs = [part for pair in told[start : start + _PIECE] for part in pair]
            self._link.many([("HSET", self._key, *pairs), ("EXPIRE", self._key, _KEPT)])
        return len(told)

    def read(self, class_names: Iterable[str]) -> dict[str, dict[str, HandlerParams]]:
        """By class, what its methods take. Classes that no worker has told of, and records that
        cannot be read, are left out.
        """
        names = sorted({name for name in class_names if _has_utf8(name)})
        if not names:
            return {}
        found: dict[str, dict[str, HandlerParams]] = {}
        for name, packed in zip(names, self._link.call("HMGET", self._key, *names), strict=True):
            try:
                if packed is not None and len(packed) <= _MOST:
                    found[name] = _read(name, packed)
            except RecordError:
                continue
        return found

    def of_slot(self, definition: Definition, routine: int, slot: int) -> HandlerParams | None:
        """As the function of this name."""
        spec = definition.routine(routine)
        return of_slot(self.read([spec.class_name]), spec, slot)


def of_slot(
    told: Mapping[str, Mapping[str, HandlerParams]], spec: RoutineSpec, slot: int
) -> HandlerParams | None:
    """What the handler of a slot takes, of what ``read`` found; None where that is not known.

    What a merge makes of its params, and a join of its items, the handler does not show.
    """
    if slot >= UNDO_SLOT_INDEX:
        slots, place = spec.raw["slots"], slot - UNDO_SLOT_INDEX
        undo = slots[place].get("undo") if place < len(slots) else None
        return told.get(spec.class_name, {}).get(undo) if isinstance(undo, str) else None
    raw = spec.raw["slots"][slot] if slot < len(spec.raw["slots"]) else {}
    if raw.get("merge_strategy", "override") != "override" or raw.get("join") is not None:
        return None
    handler = raw.get("handler", CALL_SLOT)
    return told.get(spec.class_name, {}).get(handler) if isinstance(handler, str) else None


def _packed(name: str, cls: type) -> bytes | None:
    """None for a class that is left out: it is too large, or one of its texts cannot be stored."""
    try:
        packed = pack_record(record(of_class(cls)))
    except UnicodeEncodeError:
        return None
    return packed if len(packed) <= _MOST and _has_utf8(name) else None


def _has_utf8(name: str) -> bool:
    """False for a text with half of a surrogate pair."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read(name: str, packed: bytes) -> dict[str, HandlerParams]:
    what = f"what class {name} takes"
    with reading(what):
        return from_record(unpack_record(packed, what, 1)[0])
