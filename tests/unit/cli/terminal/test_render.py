"""Values as text of the command line."""

from __future__ import annotations

import pytest

from flowforge.cli.terminal.render import amounts, compact, one_line
from flowforge.common.duration import duration
from flowforge.common.plain_text import clean


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
    assert amounts({"queued": 0, "running": 2, "timers": 1}) == "2 running, 1 on a timer"
    assert amounts({"queued": 0}) == "none"
