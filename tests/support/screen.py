"""A terminal as far as a progress display needs one: what a person sees after all that was written.

Like most terminals it folds long lines again when it gets narrower.
"""

from __future__ import annotations

import re

_BEGUN = re.compile(r"\x1b(\[\??[0-9;]*)?$")
_PIECES = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]+")


class Screen:
    """Rows of cells, and a cursor. Raises ValueError for a sequence that it does not know."""

    def __init__(self, width: int) -> None:
        self.width = width
        #: The text of each row, and whether the next one continues its line.
        self._rows: list[tuple[str, bool]] = [("", False)]
        self._row = self._column = 0
        self.cursor_shown = True
        #: The beginning of a sequence whose rest has not come yet.
        self._begun = ""

    def write(self, text: str) -> None:
        text, end = self._begun + text, 0
        last = text.rfind("\x1b")
        text, self._begun = (text[:last], text[last:]) if _BEGUN.search(text) else (text, "")
        for piece in _PIECES.finditer(text):
            if piece.start() != end:
                raise ValueError(f"{text[end : piece.start()]!r} is unknown")
            end = piece.end()
            if piece[3]:
                self._obey(piece[1], piece[2], piece[3])
            elif piece[0] == "\r":
                self._column = 0
            elif piece[0] == "\n":
                self._row += 1
                self._reach()
            else:
                self._put(piece[0])

    def resize(self, width: int) -> None:
        """Fold all lines anew; the cursor stays at its text."""
        lines: list[str] = []
        line, cursor = "", (0, 0)
        for place, (text, continues) in enumerate(self._rows):
            if place == self._row:
                cursor = (len(lines), len(line) + self._column)
            line += text
            if not continues:
                lines.append(line)
                line = ""
        self.width, self._rows = width, []
        for place, line in enumerate(lines):
            parts = [line[at : at + width] for at in range(0, len(line), width)] or [""]
            if place == cursor[0]:
                down = min(cursor[1] // width, len(parts) - 1)
                self._row, self._column = len(self._rows) + down, cursor[1] - down * width
            self._rows += [(part, True) for part in parts[:-1]] + [(parts[-1], False)]

    @property
    def lines(self) -> list[str]:
        """The rows without blanks at their ends, and without empty ones at the end."""
        found = [text.rstrip() for text, _ in self._rows]
        while found and not found[-1]:
            found.pop()
        return found

    def _obey(self, private: str, number: str, what: str) -> None:
        if private and number == "25" and what in "hl":
            self.cursor_shown = what == "h"
        elif what == "A":
            self._row = max(0, self._row - int(number or 1))
        elif what == "K" and number == "2":
            self._rows[self._row] = ("", False)
        elif what != "m":
            raise ValueError(f"sequence {number}{what} is unknown")

    def _put(self, text: str) -> None:
        for sign in text:
            if self._column == self.width:
                self._rows[self._row] = (self._rows[self._row][0], True)
                self._row, self._column = self._row + 1, 0
                self._reach()
            row, continues = self._rows[self._row]
            row = row.ljust(self._column)
            row = row[: self._column] + sign + row[self._column + 1 :]
            self._rows[self._row] = (row, continues)
            self._column += 1

    def _reach(self) -> None:
        while len(self._rows) <= self._row:
            self._rows.append(("", False))
