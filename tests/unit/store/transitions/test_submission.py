"""What jobs have in common, by names that Python and Lua share."""

from __future__ import annotations

import re

from flowforge.store.transitions.submission import COMMON_NAMES, Submission
from tests.support.fleet import ROOT


def test_python_and_lua_name_the_same_in_the_same_order() -> None:
    """A schedule keeps them by name, and a script reads them by place."""
    text = (ROOT / "flowforge/store/lua/include/create.lua").read_text()
    match = re.search(r"local ABOUT = \{(.*?)\}", text, re.DOTALL)
    assert match is not None
    assert tuple(re.findall(r"'(\w+)'", match[1])) == COMMON_NAMES
    some = Submission("d", "f", 0, 0, 0, "", 1, 1, 1, 1, "r.s")
    assert len(some.arguments()) == len(COMMON_NAMES)
