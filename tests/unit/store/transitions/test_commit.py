"""The arguments of a commit: Python writes the sections that Lua reads, in its order."""

from __future__ import annotations

import re

import pytest

from flowforge.execution.effects import AS_OUTPUTS, Effects
from flowforge.store.server.link import Argument
from flowforge.store.transitions import commit
from flowforge.store.transitions.claims import NextClaim
from flowforge.store.transitions.commit import sections
from tests.support.fleet import ROOT

LUA = ROOT / "flowforge/store/lua"

#: Name -> the section alone, with two items each.
WRITTEN: dict[str, list[Argument]] = {
    "expected": commit.expected([(0, "a", *range(13)), (1, "b", *range(13))]),
    "emitted": commit.emitted([(1, 0, "", b"r"), (2, 1, "m", b"s")]),
    "staged": commit.staged({1: 200, AS_OUTPUTS: 3}),
    "outputs": commit.outputs([b"x", b"y"]),
    "stats": commit.stats([("add", "0.n", "1"), ("set", "0.t", b"v")]),
    "resets": commit.resets([("0.0", -1), ("", 7)]),
    "started_jobs": commit.started_jobs([["def", "id1"], ["def", "id2"]]),
    "next_message": commit.next_message(NextClaim("token", 1000, ["q", "q2"], 0.0)),
}


def filled() -> Effects:
    """All that an attempt can have done, as in ``WRITTEN``."""
    return Effects(
        emitted=[(1, 0, "", b"r"), (2, 1, "m", b"s")],
        outputs=[b"x", b"y"],
        stats=[("add", "0.n", "1"), ("set", "0.t", b"v")],
        resets=[("0.0", -1), ("", 7)],
        started_jobs=[["def", "id1"], ["def", "id2"]],
        staged={1: 200, AS_OUTPUTS: 3},
        expected=[(0, "a", *range(13)), (1, "b", *range(13))],
    )


def include(section: str) -> str:
    return (LUA / f"include/commit/{section}.lua").read_text()


def read_at(section: str, script: str) -> int:
    """Where the script first calls a function of the section."""
    functions = re.findall(r"^local function (\w+)", include(section), re.MULTILINE)
    places = [script.find(f"{name}(") for name in functions if f"{name}(" in script]
    return min(places, default=script.find(f"pcall({functions[-1]}"))


def test_there_is_a_file_for_each_section() -> None:
    """Python has no section that Lua has not, nor the other way round."""
    assert {path.stem for path in (LUA / "include/commit").iterdir()} == set(WRITTEN)


def test_the_sections_are_written_in_the_order_in_which_they_are_read() -> None:
    """In the header of the script too."""
    script = (LUA / "commit.lua").read_text()
    header = script.partition("-- In:")[2].partition("-- Out:")[0]
    body = script.partition("--@include")[2]
    assert sorted(WRITTEN, key=lambda section: read_at(section, body)) == list(WRITTEN)
    assert re.findall(rf"\b({'|'.join(WRITTEN)})\b", header) == list(WRITTEN)
    together = [part for section in WRITTEN.values() for part in section]
    assert sections(filled(), NextClaim("token", 1000, ["q", "q2"], 0.0)) == together


def test_what_an_attempt_has_not_done_is_a_section_without_items() -> None:
    """Six of them, and nothing of answers and of a next message."""
    assert sections(Effects(), None) == [0] * 6
    assert sections(Effects(outputs=[b"x"]), None) == [0, 0, 1, b"x", 0, 0, 0]


@pytest.mark.parametrize("section", ["emitted", "staged", "outputs", "stats", "resets"])
def test_an_item_has_the_parts_that_lua_reads(section: str) -> None:
    """As many as the reader goes on by for each."""
    (width,) = set(re.findall(r"(\d) \* arguments\[at\]", include(section))) or {"1"}
    assert len(WRITTEN[section]) == 1 + 2 * int(width)


def test_each_file_says_which_section_it_reads() -> None:
    """On its first line, with what an item of it is."""
    for section in WRITTEN:
        assert include(section).startswith(f"-- Section `{section}` of the commit"), section
