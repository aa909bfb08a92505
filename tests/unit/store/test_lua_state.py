"""What the files of a script share: declared in one include, changed by the functions it names."""

from __future__ import annotations

import re

import pytest

from tests.support.fleet import ROOT

LUA = ROOT / "flowforge/store/lua"
FILES = {path.relative_to(LUA).as_posix(): path.read_text() for path in LUA.rglob("*.lua")}

#: Name -> the functions that may change it, the last sentence of its comment; all that work may
#: add to ``spent``.
STATE = {
    name: re.findall(r"\w+", comment.rstrip().removesuffix(".").rpartition(". ")[2])
    for comment, name in re.findall(
        r"((?:^--.*\n)+)^local (jobs|unsaved|routes|turns|unpushed)\b",
        FILES["include/state.lua"],
        re.MULTILINE,
    )
}


def test_the_state_is_found() -> None:
    """All but what is only counted."""
    declared = re.findall(r"^local (\w+)", FILES["include/state.lua"], re.MULTILINE)
    assert set(declared) - {"spent", "BYTES"} == set(STATE)


@pytest.mark.parametrize("name", STATE)
def test_only_the_named_functions_change_it(name: str) -> None:
    """Each assignment stands in the body of one of them."""
    changing = set()
    for file, text in FILES.items():
        if file == "include/state.lua":
            continue
        for body in re.split(r"^(?=local function )", text, flags=re.MULTILINE):
            if re.search(rf"(?<![\w.]){name}(\[[^\]]*\])*(?<!, ) = |insert\({name}\[", body):
                found = re.match(r"local function (\w+)", body)
                assert found, f"{file} changes {name} outside of a function"
                changing.add(found[1])
    assert changing == set(STATE[name])


#: Keys that many jobs share and only some use. A value of another type in place of one must stop no
#: script between its writes.
SHARED = (
    "single", "debounce", "limit_keys", "limit_promises", "limit_starving", "limit_places",
    "limit_waiters", "limit_state", "fair_lists", "fair_turns", "fair_waiting", "fair_entered",
    "open_expectations", "assigned", "assignees", "error_groups", "error_group", "attempt_ends",
    "schedules", "schedule_jobs", "schedule_history", "schedule_waiting", "label",
)  # fmt: skip


@pytest.mark.parametrize("name", SHARED)
def test_keys_that_jobs_share_are_used_through_shared(name: str) -> None:
    """All commands but those that take a key of any type, also on a local that holds the key."""
    made = rf"k_{name}\("
    for file, text in FILES.items():
        held = re.findall(rf"local (\w+)(?:, \w+)* = {made}", text)
        keys = "|".join([made, *(rf"{one}\b(?!\()" for one in held)])
        used = re.findall(rf"\bcall\('(\w+)', (?:{keys})", text)
        assert set(used) <= {"EXISTS", "PEXPIRE", "PTTL", "UNLINK"}, file


def test_what_a_file_changes_later_is_used_in_that_file_alone() -> None:
    """Others get what it defines once, when a run first asks for it."""
    found = set()
    for file, text in FILES.items():
        if not file.startswith("include/") or file in ("include/state.lua", "include/base.lua"):
            continue
        for name in re.findall(r"^local (\w+)(?: =|$)", text, re.MULTILINE):
            if re.search(rf"^ +(?:[\w, ]+, )?{name}(?:, [\w, ]+)? = ", text, re.MULTILINE):
                found.add(name)
                others = {other for other in FILES if other != file}
                assert not [o for o in others if re.search(rf"\b{name}\b", FILES[o])], name
    assert found == {"worker_names"}
