"""A supervised process whose output is read line by line, without waiting."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flowforge.local.supervised_process import SupervisedProcess, close_owned, own

#: Bytes of one read, and reads of one call: a process that writes much holds up no other.
_PART = 65536
_PARTS = 16

#: Characters of a line; what is longer is more than one.
_LONGEST = 65536

#: Seconds that it has to end after SIGTERM when the development server is gone.
KILL_AFTER = 5


class PipedProcess(SupervisedProcess):
    """A command of ``flowforge``, with its arguments.

    ``fileno`` can be read when there is more output, and when there will be none.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        end, write = os.pipe()
        self._output = own(end)
        os.set_blocking(end, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        self.ended = False
        with open(write, "wb") as log:
            command = [sys.executable, "-m", "flowforge.cli", *arguments]
            super().__init__(command, log, cwd=folder, env=environment, kill_after=KILL_AFTER)

    def fileno(self) -> int:
        """For a selector."""
        return self._output

    def lines(self) -> Iterator[str]:
        """The lines that were written and not read yet. ``ended``: there will be no more."""
        for _ in range(_PARTS):
            if self.ended:
                return
            try:
                part = os.read(self._output, _PART)
            except BlockingIOError:
                return
            if not part:
                self.ended = True
            *lines, self._begun = (self._begun + self._decoder.decode(part, not part)).split("\n")
            if self._begun and (self.ended or len(self._begun) > _LONGEST):
                lines.append(self._begun)
                self._begun = ""
            yield from lines

    def close(self) -> None:
        """End it and forget its output."""
        self.end()
        close_owned(self._output)
