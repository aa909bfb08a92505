"""A value as the text of an error shows it."""

from __future__ import annotations

import reprlib
from typing import Any

#: Bits of the largest int whose digits are shown. Python refuses to print more than 4,300 digits.
_BITS = 256

#: Characters of a value that an error shows.
_MOST = 80


class _Bounded(reprlib.Repr):
    """Looks at the beginning of a value alone, however large it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _MOST
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = 20

    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if x.bit_length() <= _BITS else f"<an int of {x.bit_length()} bits>"

    def repr_bytes(self, x: bytes, level: int) -> str:
        return repr(x[:_MOST])


_bounded = _Bounded()


def shown(value: Any) -> str:
    """The ``repr`` of a value, cut; a text in its place where the value has none. Never raises."""
    try:
        return _bounded.repr(value)[:_MOST]
    except Exception:  # noqa: BLE001 - reprlib goes by a class's name, which may be "int" for any
        return f"<{type(value).__qualname__} object>"
