"""Values as JSON and as text of the command line."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from flowforge.cli.plain import plain, to_json
from flowforge.cli.render import amounts, clean, compact, duration, one_line
from flowforge.cli.tables import print_table


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        ("naïve", "naïve"),
        (b"\x00\xff", "AP8="),
        ((1, (2, 3)), [1, [2, 3]]),
        ({3, 1, 2}, [1, 2, 3]),
        (datetime(2013, 1, 1, 12, tzinfo=UTC), "2013-01-01T12:00:00+00:00"),
        (date(2013, 1, 1), "2013-01-01"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        ({1: "one", None: "none", (1, 2): "pair"}, {"1": "one", "null": "none", "[1, 2]": "pair"}),
        ({date(2013, 1, 1): 1}, {"2013-01-01": 1}),
    ],
)
def test_plain(value: Any, expected: Any) -> None:
    """Every type that a payload may hold has a plain JSON form."""
    assert plain(value) == expected
    assert json.loads(to_json(value)) == expected


def test_keys_that_would_clash() -> None:
    """A dict whose keys differ by their type alone becomes a list of pairs and loses nothing."""
    assert plain({1: "int", "1": "text"}) == [[1, "int"], ["1", "text"]]


def test_a_huge_int_is_readable() -> None:
    """An int with more digits than Python prints is given in hexadecimal."""
    assert int(json.loads(to_json(10**5000)), 16) == 10**5000


def test_the_deepest_payload() -> None:
    """What is nested as deeply as a payload may be is printed, indented or not."""
    value: Any = 1
    for level in range(500):
        value = [value] if level % 2 else {"k": value}
    assert to_json(value).count("[") == 250
    assert to_json(value, 2).count("[") == 250


def test_json_is_ascii() -> None:
    """The output passes through a terminal of any encoding, lone surrogates included."""
    assert to_json("é\ud800\x1b").isascii()


def test_control_characters_are_shown() -> None:
    """Text of a job cannot steer the terminal or turn its own direction around."""
    assert clean("a\x1b[31mb\x9b\u202ec\td\n") == "a\\x1b[31mb\\x9b\\x202ec\td\n"


@pytest.mark.parametrize(
    "mark",
    [
        *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
        *"\u2028\u2029\ufeff\ufff9\ufffa\ufffb",
    ],
    ids=ascii,
)
def test_no_mark_that_is_not_seen_changes_what_is_read(mark: str) -> None:
    """Every one that Unicode calls bidirectional, and those that part or hide text."""
    shown = clean(f"a{mark}b")
    assert shown.isascii()
    assert shown == f"a\\x{ord(mark):02x}b"


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
    monkeypatch.setattr("flowforge.cli.tables.make_table", lambda *parts: fitted.append(parts))
    print_table(("NAME", ">COUNT"), [["a", "1"]] * 501)
    assert fitted == []
    assert capsys.readouterr().out.splitlines()[:2] == ["NAME  COUNT", "a         1"]


def test_one_line_is_short() -> None:
    """A long text of many lines is cut and put on one."""
    assert one_line("a\n  b\r\nc") == "a b c"
    assert one_line("x" * 300, 10) == "x" * 9 + "…"
    assert len(compact({"k": "v" * 500}, 50)) == 50


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0123, "12.3 ms"),
        (0.666, "666 ms"),
        (12.34, "12.3 s"),
        (125, "2 min 5 s"),
        (7500, "2 h 5 min"),
        (7 * 86400, "7 d"),
        (2.5 * 86400, "2 d 12 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """A length of time is told in the two largest units that matter."""
    assert duration(seconds) == text


def test_amounts_leave_out_zeros() -> None:
    """Only what there is is counted."""
    assert amounts({"queued": 0, "running": 2, "timers": 1}) == "2 running, 1 timers"
    assert amounts({"queued": 0}) == "none"
