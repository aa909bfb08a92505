"""Which globals a Lua 5.1 chunk uses, from its compiled form.

The server refuses a script's access to an unknown global only when it comes to that line, which
may be a line that no test reaches.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import lupa.lua51

#: Instructions (lopcodes.h of Lua 5.1).
_GETGLOBAL, _SETGLOBAL = 5, 7

_HEADER = b"\x1bLuaQ\x00\x01\x04\x08\x04\x08\x00"


class _Reader:
    """Reads the dump of a 64-bit little-endian Lua 5.1 (ldump.c)."""

    def __init__(self, dump: bytes) -> None:
        assert dump.startswith(_HEADER), "another build of Lua"
        self._dump = dump
        self._at = len(_HEADER)

    def _take(self, layout: str) -> int:
        (value,) = struct.unpack_from("<" + layout, self._dump, self._at)
        self._at += struct.calcsize("<" + layout)
        return int(value)

    def _string(self) -> str:
        length = self._take("Q")
        text = self._dump[self._at : self._at + max(0, length - 1)]
        self._at += length
        return text.decode(errors="replace")

    def _constant(self) -> str:
        kind = self._take("B")
        if kind == 4:
            return self._string()
        self._at += {0: 0, 1: 1, 3: 8}[kind]
        return ""

    def function(self) -> Iterator[tuple[str, bool]]:
        """(name, is written) of every access to a global, nested functions included."""
        self._string()
        self._at += 4 + 4 + 4
        code = [self._take("I") for _ in range(self._take("I"))]
        constants = [self._constant() for _ in range(self._take("I"))]
        for _ in range(self._take("I")):
            yield from self.function()
        lines = self._take("I")
        self._at += 4 * lines
        for _ in range(self._take("I")):
            self._string()
            self._at += 8
        for _ in range(self._take("I")):
            self._string()
        for instruction in code:
            if instruction & 0x3F in (_GETGLOBAL, _SETGLOBAL):
                yield constants[instruction >> 14], instruction & 0x3F == _SETGLOBAL


def globals_of(source: str) -> set[tuple[str, bool]]:
    """(name, is written) of every global in a chunk; a syntax error is a LuaSyntaxError."""
    runtime = lupa.lua51.LuaRuntime(encoding=None)
    dump: bytes = runtime.eval(b"string.dump")(runtime.compile(source.encode()))
    return set(_Reader(dump).function())
