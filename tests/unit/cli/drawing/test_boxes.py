"""Boxes of characters: a reader can follow each line, and nothing is wider than the terminal."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from flowforge.cli.drawing.boxes import ASCII, boxes


def drawn(names: str, edges: list[tuple[int, int]], width: int = 80) -> str:
    lines = boxes([[name] for name in names.split()], edges, width)
    assert lines is not None
    return "\n".join(lines)


def test_a_chain() -> None:
    assert (
        drawn("fetch charge", [(0, 1)])
        == """\
 ┌───────┐
 │ fetch │
 └───┬───┘
     ▼
┌─────────┐
│ charge  │
└─────────┘"""
    )


def test_a_fan_out_and_a_join() -> None:
    """Lines from one routine part, and lines to one routine meet, in its middle."""
    edges = [(0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 4)]
    assert (
        drawn("fetch mail bill ship total", edges)
        == """\
           ┌───────┐
           │ fetch │
           └───┬───┘
    ┌──────────┼──────────┐
    ▼          ▼          ▼
┌───────┐  ┌───────┐  ┌───────┐
│ mail  │  │ bill  │  │ ship  │
└───┬───┘  └───┬───┘  └───┬───┘
    └──────────┼──────────┘
               ▼
           ┌───────┐
           │ total │
           └───────┘"""
    )


def test_a_way_back_has_its_arrow_at_the_upper_box() -> None:
    assert (
        drawn("fetch page", [(0, 1), (1, 0)])
        == """\
┌───────┐
│ fetch │
└──┬────┘
   │ ▲
   ▼ │
┌────┴──┐
│ page  │
└───────┘"""
    )


def test_a_line_passes_beside_the_boxes_between() -> None:
    assert (
        drawn("a b c", [(0, 1), (1, 2), (0, 2)])
        == """\
  ┌───┐
  │ a │
  └─┬─┘
  ┌─┴──┐
  ▼    │
┌───┐  │
│ b │  │
└─┬─┘  │
  └──┬─┘
     ▼
   ┌───┐
   │ c │
   └───┘"""
    )


def test_of_a_job_a_box_has_its_status_and_counts() -> None:
    lines = boxes([["work", "running", "2 done, 1 running"], ["end", "pending", "0 done"]], [], 80)
    assert lines is not None
    assert [line.split("│")[1].strip() for line in lines[1:4]] == [
        "work", "running", "2 done, 1 running",
    ]  # fmt: skip


def test_a_terminal_without_line_drawing() -> None:
    lines = boxes([["a"], ["b"]], [(0, 1)], 80, ASCII)
    assert lines == ["+---+", "| a |", "+-+-+", "  v", "+---+", "| b |", "+---+"]


def test_what_does_not_fit_is_not_drawn() -> None:
    assert boxes([["name"]] * 20, [], 80) is None
    long = boxes([["n" * 100], ["m" * 100]], [], 80)
    assert long is not None
    assert "…" in long[1]


def test_wide_characters_and_marks_keep_the_frame_straight() -> None:
    """Chinese takes two cells a character, an accent of its own takes none."""
    lines = boxes([["\u4ed8\u6b3e"], ["e\u0301a"]], [(0, 1)], 80)
    assert lines is not None
    frames = [line for line in lines if set(line) & set("│┌└") and line.strip() != "│"]
    assert {cell_len(line) for line in frames[:3]} == {cell_len(frames[0])}
    assert {cell_len(line) for line in frames[3:]} == {cell_len(frames[3])}


edges_of_ten = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=12)


@given(edges_of_ten)
def test_whatever_is_drawn_is_whole(edges: list[tuple[int, int]]) -> None:
    """Every box is there once, every line that leads down or back has an end with an arrow."""
    lines = boxes([[f"r{n}"] for n in range(8)], edges, 200)
    if lines is None:
        return
    text = "\n".join(lines)
    assert sorted(re.findall(r"│ +(r\d)", text)) == [f"r{n}" for n in range(8)]
    assert all(cell_len(line) <= 200 for line in lines)
    real = {(a, b) for a, b in edges if a != b}
    assert text.count("▼") + text.count("▲") <= len(real)
    assert bool(real) == bool(text.count("▼") + text.count("▲"))
