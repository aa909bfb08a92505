"""The kinds of timers: one table, which the scripts and the internals page agree with."""

from __future__ import annotations

import re

from tests.support.fleet import ROOT

LUA = ROOT / "flowforge/store/lua"
FILES = {path.relative_to(LUA).as_posix(): path.read_text() for path in LUA.rglob("*.lua")}

KINDS = re.findall(r"^    (\w+) = \{ form = ", FILES["include/timer_kinds.lua"], re.MULTILINE)

#: Where a timer is set, or some are cleared.
CALL = r"(?<!function )\b(?:set_timer|clear_timers)\("


def test_the_table_is_found() -> None:
    """It has the kinds that everything below is compared with."""
    assert {"invocation", "join", "retry"} < set(KINDS)


def test_each_kind_has_an_action() -> None:
    """What is done when a timer is due stands in one table of the script."""
    actions = re.search(
        r"^local ACTIONS = \{\n(.*?)^\}", FILES["due.lua"], re.MULTILINE | re.DOTALL
    )
    assert actions is not None
    assert sorted(re.findall(r"^  (\w+) = ", actions[1], re.MULTILINE)) == sorted(KINDS)


def test_scripts_set_and_clear_timers_of_these_kinds_alone() -> None:
    """No script makes a member by itself; only the upkeep touches members as they are."""
    used = set()
    for name, text in FILES.items():
        kinds = re.findall(CALL + r"[^\n]*?, '(\w+)'", text)
        assert len(kinds) == len(re.findall(CALL, text)), f"{name}: a kind that is not written out"
        used |= set(kinds)
        if name not in ("include/timers.lua", "due.lua"):
            looks = re.findall(r"call\('ZSCORE', k_timers\(\)", text)
            assert len(looks) == text.count("k_timers"), name
    assert used == set(KINDS)


def test_the_internals_page_lists_the_kinds() -> None:
    """Each with what its member looks like, what it does and when it is cleared."""
    page = (ROOT / "docs/explanation/internals.md").read_text()
    section = page.split("## Timers\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| [^|]+ \| [^|]+ \|$", section, re.MULTILINE)
    assert sorted(kind for kind, _ in rows) == sorted(KINDS)
    for kind, member in rows:
        assert kind == "invocation" or member.split("/")[1] == kind
