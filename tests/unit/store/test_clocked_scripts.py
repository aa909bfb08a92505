"""The scripts whose clock tests move, beside those of production."""

from __future__ import annotations

import re

import pytest

from flowforge.store.scripts import SCRIPTS, script_names
from tests.support.virtual_clock import OFFSET, clocked


@pytest.mark.parametrize("name", script_names())
def test_production_has_no_offset(name: str) -> None:
    """What production sends knows of no clock but the server's."""
    assert f"'{OFFSET}'" not in SCRIPTS[name].source


@pytest.mark.parametrize("name", script_names())
def test_whatever_takes_the_time_takes_the_offset(name: str) -> None:
    """No script for tests has a time without the offset, nor leaves one to the server."""
    plain, moved = SCRIPTS[name].source, clocked(SCRIPTS[name]).source
    assert moved.count(f"'{OFFSET}'") == plain.count("call('TIME')")
    assert not re.search(r"'(P?EXPIREAT|EXAT|PXAT)'", moved)


def test_the_offset_is_all_that_differs() -> None:
    """Of a script that may end a job: the time, and that of a definition's expiry."""
    plain, moved = SCRIPTS["claim"].lines(), clocked(SCRIPTS["claim"]).lines()
    differing = [place for place, other in zip(plain, moved, strict=True) if place != other]
    assert {file for file, _, _ in differing} == {"include/base.lua", "include/expiry.lua"}
