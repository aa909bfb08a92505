"""Where the progress of a job is shown."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from flowforge.cli.terminal.progress_view import Lines, Table
from tests.support.screen import Screen
from tests.unit.cli.progress import job, one

PROBLEM = ConnectionError("no route to the server")


class Terminal(io.StringIO):
    """Writes to a screen, and says how large it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.screen = Screen(width)
        self.console = Console(file=self, force_terminal=True, color_system=None)
        self.console.size = (width, 24)

    def write(self, text: str) -> int:
        self.screen.write(text.replace("\n", "\r\n"))  # as the kernel does for a terminal
        return len(text)

    def resize(self, width: int) -> None:
        self.screen.resize(width)
        self.console.size = (width, 24)


def test_a_table_is_drawn_in_its_place() -> None:
    """Also after the terminal has folded it, and when it has more or fewer lines than before."""
    terminal = Terminal(100)
    terminal.console.print("above")
    long = one("a_routine_with_a_name_that_is_cut_on_narrow_terminals", 1, 9, running=1, lost=3)
    with Table(terminal.console) as table:
        for width in (100, 60, 41, 97, 55, 100):
            terminal.resize(width)
            for routines in ((long,), (long, one("it", 2, 3)), (long,)):
                table.show(job(*routines))
                lines = terminal.screen.lines
                assert lines[0] == "above"
                assert lines[1].startswith("job ")
                assert lines[5].startswith("ROUTINE")
                assert len(lines) == 6 + len(routines)
                assert not terminal.screen.cursor_shown
    assert terminal.screen.cursor_shown


def test_a_table_says_that_the_server_is_away() -> None:
    """With what was known last; and no more when it answers."""
    terminal = Terminal(80)
    with Table(terminal.console) as table:
        table.away(PROBLEM)
        assert terminal.screen.lines == ["no answer from the server for 0.0 ms"]
        table.show(job(one("it", 1, 2)))
        table.away(PROBLEM)
        lines = terminal.screen.lines
        assert "running; no answer from the server for" in lines[0]
        assert lines[5].startswith("it")
        table.show(job(one("it", 1, 2)))
        assert "no answer" not in "".join(terminal.screen.lines)


def test_a_line_is_printed_when_something_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Of those routines that have changed, and only of those of which something is known."""
    begun = job(one("fan", 0, 1), one("it", 0, 0), status="pending")
    goes_on = job(one("fan", 1, 1), one("it", 3, 8, total_is_final=False))
    with Lines(False) as lines:
        for progress in (begun, begun, goes_on, goes_on, replace(goes_on, status="paused")):
            lines.show(progress)
    assert capsys.readouterr().out.splitlines() == [
        "pending    fan 0/1 0%",
        "running    fan 1/1 100%  it 3/8+",
        "paused",
    ]


def test_an_outage_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """And its end; on stderr, as it is no progress."""
    with Lines(False) as lines:
        lines.away(PROBLEM)
        lines.away(PROBLEM)
        lines.show(job(one("it", 1, 2)))
        lines.show(job(one("it", 1, 2)))
    captured = capsys.readouterr()
    assert captured.out.splitlines() == ["running    it 1/2 50%"]
    assert captured.err.splitlines() == [
        "no route to the server; still trying",
        "the server answers again",
    ]
