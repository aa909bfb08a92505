"""What handlers print, in whole lines.

A worker writes prints to its log, as Celery does by default: each write is a line there, and a
print of several values is several writes.
"""

from __future__ import annotations

from typing import Any

from flowforge.execution.attempt import Attempt
from flowforge.execution.current import current

#: Characters of a line that are kept until its end comes.
_MOST = 65536

#: The lines that handlers have begun, by attempt and stream.
unfinished: dict[tuple[Attempt, WholeLines], str] = {}


class WholeLines:
    """A stream that gets each line of a handler in one write. What others print passes as it is.

    ``flush`` ends a line, and so does the end of the attempt.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the lines that are whole by now."""
        attempt = current.get()
        if attempt is None or attempt.closed or not isinstance(text, str):
            written: int = self._stream.write(text)
            return written
        whole, _, rest = (unfinished.pop((attempt, self), "") + text).rpartition("\n")
        if len(rest) > _MOST:
            whole, rest = f"{whole}\n{rest}", ""
        if rest:
            unfinished[attempt, self] = rest
        if whole:
            self._stream.write(whole)
        return len(text)

    def writelines(self, texts: Any) -> None:
        """Write one after the other."""
        for text in texts:
            self.write(text)

    def flush(self) -> None:
        """Write what was begun, as a line."""
        attempt = current.get()
        if attempt is not None and (text := unfinished.pop((attempt, self), "")):
            self._stream.write(text)
        self._stream.flush()


def end_lines(attempt: Attempt) -> None:
    """Write what an attempt has begun, before it is over."""
    for key in [key for key in list(unfinished) if key[0] is attempt]:
        key[1].flush()
