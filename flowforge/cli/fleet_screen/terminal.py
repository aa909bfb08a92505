"""A terminal that is taken over for a while and given back as it was, whatever happens."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from types import FrameType
from typing import Any

from rich.console import Console
from rich.text import Text

from flowforge.cli.fleet_screen.keys import KeyDecoder

#: The other screen of a terminal, without a cursor; and back.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l\x1b[H\x1b[2J", "\x1b[?25h\x1b[?1049l"

#: What a shell reports for a program that SIGTERM ended.
_TERMINATED = 128 + signal.SIGTERM

_READ = 4096

#: Columns and rows of most terminals. Those of some containers say that they have none.
_USUAL = (80, 24)


class Terminal(AbstractContextManager["Terminal"]):
    """Standard input and output. Only the main thread may enter it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._input = sys.stdin.fileno()
        self._decoder = KeyDecoder()
        self._stack = ExitStack()
        self._wake_in, self._wake_out = os.pipe()
        for end in (self._wake_in, self._wake_out):
            os.set_blocking(end, False)
        self._kept: list[Any] = []

    def __enter__(self) -> Terminal:
        with ExitStack() as stack:
            stack.callback(self._close_pipe)
            self._kept = termios.tcgetattr(self._input)
            stack.callback(self._give_back)
            for number, handler in (
                (signal.SIGTERM, self._terminate),
                (signal.SIGTSTP, self._stop),
                (signal.SIGWINCH, self._resized),
            ):
                stack.callback(signal.signal, number, signal.signal(number, handler))
            self._take()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows; the usual ones where the terminal does not know its own."""
        size = os.get_terminal_size(sys.stdout.fileno())
        return size.columns or _USUAL[0], size.lines or _USUAL[1]

    def draw(self, lines: Sequence[Text]) -> None:
        """Show the lines in the place of those that are there."""
        with self._console.capture() as captured:
            for number, line in enumerate(lines):
                self._console.print(line, end="\x1b[K\r\n" if number < len(lines) - 1 else "\x1b[K",
                                    soft_wrap=True)  # fmt: skip
        self._write("\x1b[H" + captured.get() + "\x1b[J")

    def keys(self, seconds: float) -> list[str]:
        """What was pressed; comes back at the latest after so many seconds, or when woken."""
        ready, _, _ = select.select([self._input, self._wake_in], [], [], seconds)
        if self._wake_in in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_in, _READ)
        if self._input not in ready:
            return []
        data = os.read(self._input, _READ)
        if not data:
            raise EOFError("the terminal is gone")
        return self._decoder.keys(data)

    def wake(self) -> None:
        """Make ``keys`` come back; from any thread."""
        # A full pipe wakes as well, and a closed one has nobody to wake.
        with suppress(OSError):
            os.write(self._wake_out, b".")

    # --- taking and giving back -----------------------------------------------------------

    def _take(self) -> None:
        tty.setcbreak(self._input, termios.TCSAFLUSH)
        self._write(_ENTER)

    def _give_back(self) -> None:
        with suppress(OSError):
            self._write(_LEAVE)
        with suppress(termios.error):
            termios.tcsetattr(self._input, termios.TCSADRAIN, self._kept)

    def _close_pipe(self) -> None:
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _write(self, text: str) -> None:
        data = text.encode(sys.stdout.encoding or "utf-8", "replace")
        out = sys.stdout.fileno()
        while data:
            data = data[os.write(out, data) :]

    def _terminate(self, _: int, __: FrameType | None) -> None:
        raise SystemExit(_TERMINATED)

    def _stop(self, number: int, _: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal, and the screen comes back with the program."""
        self._give_back()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._stop)
        self._take()
        self.wake()

    def _resized(self, _: int, __: FrameType | None) -> None:
        self.wake()
