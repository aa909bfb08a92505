"""Keys: one table, the same for Python and for Lua."""

from __future__ import annotations

import inspect
import re

import lupa.lua51
import pytest
from hypothesis import given
from hypothesis import strategies as st

import flowforge.store.keys
from flowforge.store.key_types import OF_JOB, SINGLE, TYPES
from flowforge.store.keys import PATTERNS, Keys, expand_keys

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def lua_key(name: str, root: str, argument: str) -> str:
    """What ``k_<name>`` in a script makes."""
    runtime = lupa.lua51.LuaRuntime()
    source = f"local P, argument = ...\nreturn k_{name}({'argument' if argument else ''})"
    key: str = runtime.execute(expand_keys(source), root, argument)
    return key


@pytest.mark.parametrize("name", PATTERNS)
def test_lua_and_python_agree(name: str) -> None:
    """A script finds what Python wrote, whatever is in the argument."""
    argument = "a{}b'c\"ü.%s" if "{}" in PATTERNS[name] else ""
    assert lua_key(name, "ff:", argument) == Keys("ff").of(name, argument)


def test_arguments_may_be_expressions() -> None:
    """With parentheses, operators and other keys in them."""
    source = "return k_job(f(a .. ')'):lower() or k_leader()) .. k_segment(x)"
    with pytest.raises(ValueError, match="no parenthesis closes"):
        expand_keys("return k_job(a")
    assert expand_keys("return k_job(f(a) or k_leader())..k_segment(x..'/')") == (
        "return (P..'j:'..(f(a) or (P..'leader')))..(P..'g:'..(x..'/'))"
    )
    assert "k_" not in expand_keys(source.replace("')'", "'.'"))


def test_the_prefix_comes_first() -> None:
    """Fleets that share a server stay apart by their prefix."""
    assert Keys("x").of("job", "1") == "x:j:1"
    assert all(Keys("x").of(name, "1").startswith("x:") for name in PATTERNS)


@given(NAMES, NAMES)
def test_keys_of_different_things_differ(one: str, other: str) -> None:
    """Two patterns never make the same key of ids without a colon."""
    one, other = one.replace(":", "."), other.replace(":", ".")
    keys = Keys("ff")
    made = [(name, keys.of(name, argument)) for name in PATTERNS for argument in (one, other)]
    by_key: dict[str, set[str]] = {}
    for name, key in made:
        by_key.setdefault(key, set()).add(name)
    assert all(len(names) == 1 for names in by_key.values()), by_key


def test_an_unknown_pattern_is_an_error() -> None:
    """No key is made up."""
    with pytest.raises(KeyError):
        Keys("ff").of("nothing")


def test_patterns_have_one_hole_at_most() -> None:
    """The Lua functions take one argument."""
    for pattern in PATTERNS.values():
        assert re.fullmatch(r"[^{}']*(\{\}[^{}']*)?", pattern)


def test_the_types_of_keys_are_those_of_the_table() -> None:
    """Of each that has no argument or is one job's, the word that its comment begins with."""
    names = {"hash", "zset", "string", "list", "stream"}
    source = inspect.getsource(flowforge.store.keys)
    said = dict(re.findall(r'^    "(\w+)": "[^"]*",  # (\w+)', source, re.MULTILINE))
    assert {name: said[name] for name in (*SINGLE, *OF_JOB)} == TYPES
    assert set(TYPES.values()) <= names
