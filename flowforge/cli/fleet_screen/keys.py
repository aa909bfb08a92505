"""Keys of a terminal by name."""

from __future__ import annotations

import codecs
import re

UP, DOWN, PAGE_UP, PAGE_DOWN = "up", "down", "page up", "page down"
ENTER, TAB, BACKSPACE, ESCAPE = "enter", "tab", "backspace", "escape"

_NAMES = {
    "\x1b[A": UP, "\x1bOA": UP, "\x1b[B": DOWN, "\x1bOB": DOWN,
    "\x1b[5~": PAGE_UP, "\x1b[6~": PAGE_DOWN,
    "\r": ENTER, "\n": ENTER, "\t": TAB, "\x7f": BACKSPACE, "\b": BACKSPACE, "\x1b": ESCAPE,
}  # fmt: skip

#: A sequence that a key sends, or one character.
_PIECES = re.compile(r"\x1b\[[0-9;]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL)


class KeyDecoder:
    """Names of keys, from what a terminal sends; a character that is cut waits for its rest."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def keys(self, data: bytes) -> list[str]:
        """What was pressed: a name, or the character itself. What is unknown is left out."""
        pieces = _PIECES.findall(self._decoder.decode(data))
        found = [_NAMES.get(piece, piece) for piece in pieces]
        return [key for key in found if key in _NAMES.values() or key.isprintable()]
