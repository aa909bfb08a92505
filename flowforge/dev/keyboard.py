"""Single keys of a terminal, read without waiting and without Enter."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

if sys.platform != "win32":
    import termios
    import tty


class Keyboard:
    """The keys of stdin. ``there``: whether stdin is a terminal that is this process's to read."""

    def __init__(self) -> None:
        self.there = False
        self._descriptor = sys.stdin.fileno() if sys.stdin is not None else -1

    def fileno(self) -> int:
        """For a selector."""
        return self._descriptor

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Get keys at once, and leave the terminal as it was. Ctrl-C stays a signal."""
        if not self._is_ours():
            yield
            return
        before = termios.tcgetattr(self._descriptor)
        tty.setcbreak(self._descriptor)
        self.there = True
        try:
            yield
        finally:
            self.there = False
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSADRAIN, before)

    def again(self) -> None:
        """After a stop with Ctrl-Z: the shell has changed the terminal meanwhile."""
        if self.there and self._is_ours():
            tty.setcbreak(self._descriptor)

    def keys(self) -> str:
        """What was pressed."""
        try:
            pressed = os.read(self._descriptor, 64)
        except OSError:
            pressed = b""
        if not pressed:
            self.there = False  # the terminal is gone
        return pressed.decode(errors="ignore")

    def _is_ours(self) -> bool:
        """A process in the background that sets a terminal is stopped."""
        try:
            return os.isatty(self._descriptor) and os.tcgetpgrp(self._descriptor) == os.getpgrp()
        except OSError:
            return False
