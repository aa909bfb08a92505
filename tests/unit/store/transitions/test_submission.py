"""What jobs have in common, by names that Python and Lua share."""

from __future__ import annotations

import re

from flowforge.store.transitions.submission import COMMON_NAMES, Submission
from tests.support.fleet import ROOT


def test_python_and_lua_name_the_same_in_the_same_order() -> None:
    """A schedule keeps them by name, and a script reads them by place."""
    include = ROOT / "flowforge/store/lua/include"
    kept = re.search(r"local ABOUT = \{(.*?)\}", (include / "schedules.lua").read_text(), re.DOTALL)
    read = re.search(
        r"local (def,.*?) = unpack\(arguments, first, first \+ (\d+)\)\n  return \{(.*?)--",
        (include / "create.lua").read_text(),
        re.DOTALL,
    )
    assert kept is not None
    assert read is not None
    assert tuple(re.findall(r"'(\w+)'", kept[1])) == COMMON_NAMES
    assert tuple(re.findall(r"\w+", read[1])) == COMMON_NAMES
    assert int(read[2]) == len(COMMON_NAMES) - 1
    assert re.findall(r"(\w+) = (?:tonumber\()?\1\b", read[3]) == [*COMMON_NAMES]
    some = Submission("d", "f", 0, 0, 0, "", 1, 1, 1, 1, "r.s")
    assert len(some.arguments()) == len(COMMON_NAMES)
