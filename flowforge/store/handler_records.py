"""What the handlers of the routine classes take, as workers that have imported them say."""

from __future__ import annotations

from collections.abc import Iterable

from flowforge.codec.binary import pack_record, unpack_record
from flowforge.errors import RecordError
from flowforge.model.handler_params import HandlerParams, from_record, of_class, record
from flowforge.store.reading import reading
from flowforge.store.store import Store

#: Seconds after the latest worker's word until all of it is forgotten.
_KEPT = 7 * 86400

#: Bytes of a class; a larger one is left out.
_MOST = 16_384

#: Classes that are written with one command.
_PIECE = 100


class HandlerRecords:
    """The latest word on each class: that of the worker that said it last."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._key = store.keys.of("handlers")

    def write(self, classes: dict[str, type]) -> int:
        """Say what these classes take; how many were told."""
        told = [
            (name, packed)
            for name, cls in sorted(classes.items())
            if len(packed := pack_record(record(of_class(cls)))) <= _MOST
        ]
        for start in range(0, len(told), _PIECE):
            pairs = [part for pair in told[start : start + _PIECE] for part in pair]
            self._link.many([("HSET", self._key, *pairs), ("EXPIRE", self._key, _KEPT)])
        return len(told)

    def read(self, class_names: Iterable[str]) -> dict[str, dict[str, HandlerParams]]:
        """By class, what its methods take. Classes that no worker has told of, and records that
        cannot be read, are left out.
        """
        names = sorted(set(class_names))
        if not names:
            return {}
        found: dict[str, dict[str, HandlerParams]] = {}
        for name, packed in zip(names, self._link.call("HMGET", self._key, *names), strict=True):
            try:
                if packed is not None:
                    found[name] = _read(name, packed)
            except RecordError:
                continue
        return found


def _read(name: str, packed: bytes) -> dict[str, HandlerParams]:
    what = f"what class {name} takes"
    with reading(what):
        return from_record(unpack_record(packed, what, 1)[0])
