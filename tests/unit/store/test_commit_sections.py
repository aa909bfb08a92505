"""The sections of a commit: Python writes and Lua reads the same ones, in one order."""

from __future__ import annotations

import inspect
import re

from flowforge.store import commit
from flowforge.store.scripts import includes_of
from tests.support.fleet import ROOT

LUA = ROOT / "flowforge/store/lua"

#: In the order in which they are written.
SECTIONS = re.findall(r"\*\((\w+)\(", inspect.getsource(commit.sections))


def test_each_section_has_a_function_and_a_file() -> None:
    """Both have its name, and the script includes the files in the order of the sections."""
    assert len(SECTIONS) == len(set(SECTIONS)) > 5
    assert all(inspect.isfunction(getattr(commit, name)) for name in SECTIONS)
    included = includes_of((LUA / "commit.lua").read_text())
    found = [name.removeprefix("commit/") for name in included if name.startswith("commit/")]
    assert found == SECTIONS
    assert {path.stem for path in (LUA / "include/commit").iterdir()} == set(SECTIONS)


def test_each_file_says_which_section_it_reads() -> None:
    """On its first line, with what an item of it is."""
    for name in SECTIONS:
        text = (LUA / f"include/commit/{name}.lua").read_text()
        assert text.startswith(f"-- Section `{name}` of the commit"), name
