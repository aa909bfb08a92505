"""Where the progress of a job is shown: on a terminal, or line by line where there is none."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from flowforge.cli.terminal.progress_text import Rates, frame, routine_words, rows_of
from flowforge.cli.terminal.render import console, say
from flowforge.common.duration import duration
from flowforge.model.jobs.job_progress import JobProgress


class View(AbstractContextManager[Any], Protocol):
    """Where progress is shown."""

    def show(self, progress: JobProgress) -> None: ...

    def away(self, problem: Exception) -> None:
        """The server does not answer; ``problem`` says why."""


def progress_view(as_json: bool) -> View:
    """A table that is drawn again and again on a terminal; elsewhere a line with each change.

    On stderr when stdout is for JSON.
    """
    screen = console(stderr=as_json)
    return Table(screen) if screen.is_terminal else Lines(as_json)


class Table(ExitStack):
    """A table on a terminal, which is drawn again in its place."""

    def __init__(self, screen: Console) -> None:
        super().__init__()
        self._screen = screen
        self._rates = Rates()
        self._progress: JobProgress | None = None
        self._away: float | None = None
        self._lines: list[Text] = []
        self._live = self.enter_context(Live(console=screen, auto_refresh=False))

    def show(self, progress: JobProgress) -> None:
        self._rates.add(time.monotonic(), progress)
        self._progress, self._away = progress, None
        width, height = self._screen.size
        # The last column is left free: some terminals begin the next row behind it.
        self._draw(frame(progress, self._rates, width - 1, height))

    def away(self, problem: Exception) -> None:
        now = time.monotonic()
        self._away = self._away or now
        remark = f"no answer from the server for {duration(round(now - self._away))}"
        width, height = self._screen.size
        if self._progress is None:
            self._draw([Text(remark)])
        else:
            self._draw(frame(self._progress, self._rates, width - 1, height, remark))

    def _draw(self, lines: list[Text]) -> None:
        # A terminal that has become narrower has folded the lines that are there.
        more = rows_of(self._lines, self._screen.size.width) - len(self._lines)
        if more > 0:
            self._screen.file.write("\r" + "\x1b[2K\x1b[1A" * more)
        self._lines = lines
        self._live.update(Group(*lines), refresh=True)


class Lines(ExitStack):
    """A line with each change. ``stderr``: there, and not on stdout."""

    def __init__(self, stderr: bool) -> None:
        super().__init__()
        self._stderr = stderr
        self._status = ""
        self._shown: dict[str, str] = {}
        self._away = False

    def show(self, progress: JobProgress) -> None:
        if self._away:
            say("the server answers again", err=True)
        self._away = False
        now = {one.routine_id: routine_words(one) for one in progress.routines if one.total}
        changed = [text for name, text in now.items() if self._shown.get(name) != text]
        if changed or progress.status != self._status:
            say(f"{progress.status:<9}  {'  '.join(changed)}".rstrip(), err=self._stderr)
        self._status, self._shown = progress.status, now

    def away(self, problem: Exception) -> None:
        if not self._away:
            say(f"{problem}; still trying", err=True)
        self._away = True
