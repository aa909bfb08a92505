"""The scripts as they are sent: complete, well-formed, without stray globals."""

from __future__ import annotations

import hashlib
import re
from importlib import resources

import pytest

from flowforge.store.scripts import SCRIPTS
from tests.unit.store.lua_globals import globals_of

#: What the server gives to scripts and ours use.
KNOWN = {
    "ARGV", "KEYS", "redis", "string", "table", "math", "tonumber", "tostring", "ipairs", "pairs",
    "error", "unpack", "type", "next", "cjson", "cmsgpack", "select", "pcall", "assert",
}  # fmt: skip

LUA = resources.files("flowforge.store") / "lua"


def test_every_file_is_a_script() -> None:
    """What lies in the directory can be run by its name."""
    files = {entry.name.removesuffix(".lua") for entry in LUA.iterdir() if entry.is_file()}
    assert set(SCRIPTS) == files
    assert {"submit", "claim", "commit", "fail", "pause", "resume", "cancel"} <= files


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_no_unknown_global(name: str) -> None:
    """A forgotten include or a typing error shows here and not on a rare path."""
    used = globals_of(SCRIPTS[name].source)
    assert {global_name for global_name, _ in used} <= KNOWN
    assert not [global_name for global_name, written in used if written]


def test_the_look_for_globals_finds_them() -> None:
    """Reads and writes, at the top and in functions."""
    source = "local a = 1\nlocal function f() return a + b end\nc = f()"
    assert globals_of(source) == {("b", False), ("c", True)}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_complete(name: str) -> None:
    """Includes are filled in, and the digest is that of the source."""
    script = SCRIPTS[name]
    assert "@include" not in script.source
    assert script.sha == hashlib.sha1(script.source.encode()).hexdigest()
    assert script.name == name


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_does(name: str) -> None:
    """Its file begins with what it is for, what goes in and what comes out."""
    text = (LUA / f"{name}.lua").read_text()
    header = "".join(line for line in text.splitlines(True) if line.startswith("--"))
    assert re.match(r"-- [A-Z]", text)
    assert "-- In:" in header
    assert "-- Out:" in header


def test_every_include_is_used() -> None:
    """No rule lies around that no script follows."""
    used = set()
    for entry in LUA.iterdir():
        if entry.is_file():
            found = re.search(r"^--@include (.+)$", entry.read_text(), re.MULTILINE)
            assert found is not None, entry.name
            used |= {part.strip() for part in found[1].split(",")}
    files = {entry.name.removesuffix(".lua") for entry in (LUA / "include").iterdir()}
    assert used == files


def test_scripts_name_their_locals_within_luas_limit() -> None:
    """Lua takes at most 200 locals in one function; includes and keys count."""
    for script in SCRIPTS.values():
        top = re.findall(r"^local (?:function )?([\w, ]+)", script.source, re.MULTILINE)
        assert sum(len(names.split(",")) for names in top) < 180, script.name
