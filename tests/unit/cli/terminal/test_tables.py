"""Tables on a terminal, in a file or in a pipe."""

from __future__ import annotations

import pytest

from flowforge.cli.terminal.tables import print_table

ROWS = [["a", "1"], ["語", "23"], ["x\n\x1b[2Jy", "4"]]


def test_a_table_that_is_no_terminals_lines_up(capsys: pytest.CaptureFixture[str]) -> None:
    """By the width of what is shown; a cell stays on its line and is not obeyed."""
    print_table(("~NAME", ">COUNT"), ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "NAME        COUNT",
        "a               1",
        "語             23",
        "x \\x1b[2Jy      4",
    ]


def test_a_long_table_is_not_fitted_to_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fitting takes half a millisecond a row: 20 s for the 50,000 jobs that somebody asked for."""
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    fitted: list[object] = []
    make_table = "flowforge.cli.terminal.tables.make_table"
    monkeypatch.setattr(make_table, lambda *parts: fitted.append(parts))
    print_table(("NAME", ">COUNT"), [["a", "1"]] * 501)
    assert fitted == []
    assert capsys.readouterr().out.splitlines()[:2] == ["NAME  COUNT", "a         1"]


@pytest.mark.parametrize(("mark", "lines"), [("<", 2), ("~", 10)])
def test_a_narrow_terminal_cuts_or_folds(
    mark: str, lines: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is cut stays on one line and ends in an ellipsis; other columns keep their width."""
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    monkeypatch.setenv("COLUMNS", "40")
    print_table(("JOB", f"{mark}REASON"), [["7c1e-e7770998c544f2113233", "it broke " * 9]])
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == lines
    assert max(map(len, shown)) <= 40
    assert shown[1].startswith("7c1e-e7770998c544f2113233  it broke")
    assert ("…" in shown[1]) == (mark == "<")
