"""The parts of the harness that have logic of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.harness.aof import boundaries, cut_tail
from tests.chaos.harness.keyed import at_once
from tests.chaos.harness.report import BEGIN, END, update_document
from tests.chaos.harness.round import Result
from tests.chaos.harness.rounds import discover, pick
from tests.chaos.run import DOCUMENT

_LOG = b"#TS:1\r\n*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n*1\r\n$4\r\nEXEC\r\n"
_MARKS = [0, 7, 22, 43, 57]


def test_records_of_a_log_are_told_apart() -> None:
    """Annotations and commands count, and a line break inside a value does not end it."""
    assert boundaries(_LOG) == _MARKS


@pytest.mark.parametrize("end", [8, 12, 21, 30, 56])
def test_a_torn_record_does_not_count(end: int) -> None:
    """What a crash left of the last record is behind the last boundary."""
    assert boundaries(_LOG[:end]) == [mark for mark in _MARKS if mark <= end]


def test_the_tail_is_cut_at_a_record(tmp_path: Path) -> None:
    """Half of the last half of four records is one record."""
    folder = tmp_path / "appendonlydir"
    folder.mkdir()
    log = folder / "appendonly.aof.1.incr.aof"
    log.write_bytes(_LOG)
    assert cut_tail(tmp_path, most=0.5, share=0.5) == (1, 4)
    assert log.read_bytes() == _LOG[: _MARKS[3]]


def test_rounds_are_found_by_row_and_by_name() -> None:
    """The command line takes both, and a row that does not exist is an error that lists all."""
    assert [one.name for one in pick("3, zombie")] == ["popped-never-claimed", "zombie"]
    assert pick("") == discover()
    with pytest.raises(ValueError, match="4 zombie"):
        pick("99")


def test_every_round_has_a_name_of_its_own() -> None:
    """A seed makes different faults in each round because the names differ."""
    names = [one.name for one in discover()]
    assert len(set(names)) == len(names)


def test_the_document_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    """Only what stands between the markers is replaced."""
    path = tmp_path / "page.md"
    path.write_text(f"before\n{BEGIN}\nstale\n{END}\nafter\n")
    figures = {"a|b": 1234, "recovered in s": 1.27}
    result = Result(4, "zombie", "Zombie", "stop", "40", 7, 1.0, "fast", 2.0, figures)
    update_document([result], path)
    text = path.read_text()
    assert text.startswith(f"before\n{BEGIN}\nSeed 7")
    assert text.endswith(f"| passed |\n{END}\nafter\n")
    assert "| 4 | Zombie | stop | 40 | 1,234 a\\|b; recovered in 1.3 s | passed |" in text
    assert "stale" not in text


def test_the_page_has_the_rounds() -> None:
    """Each row of the measured table has the texts of its round, and no round is missing."""
    rows = [line.strip("| ").split(" | ") for line in DOCUMENT.read_text().splitlines()]
    shown = [row[:4] for row in rows if row[0].isdigit()]
    assert shown == [[str(one.row), one.fault, one.injection, one.target] for one in discover()]


def test_jobs_that_run_at_once_are_found() -> None:
    """In whatever order they are given; one may begin when the other has ended."""
    assert at_once([((5, 9), "b"), ((1, 5), "a")]) == []
    assert at_once([((5, 9), "b"), ((1, 6), "a"), ((9, 10), "c")]) == [("a", "b")]
