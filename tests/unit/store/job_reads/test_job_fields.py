"""The fields of a job's row: one table for scripts, readers and the internals page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowforge.store.job_reads.job_fields import FIELDS, table
from tests.support.fleet import ROOT

STORE = ROOT / "flowforge/store"

#: Commands on a row: whether what follows the key are fields with values, or fields alone.
PAIRS = {
    "HSET": True,
    "HMGET": False,
    "HGET": False,
    "HEXISTS": False,
    "HDEL": False,
    "HINCRBY": True,
}


def used_fields(text: str) -> Iterator[str]:
    """Fields in the calls of a Lua file on the key of a job."""
    for command, argument in re.findall(
        r"call\('(H[A-Z]+)', k_job\([\w.]+\), ((?:[^()]|\([^()]*\))*)\)", text
    ):
        words = re.split(r",\s*(?![^()]*\))", argument)
        for word in words[:: 2 if PAIRS[command] else 1]:
            found = re.fullmatch(r"'(\w+)'", word.strip())
            assert found, f"{command} with {word}"
            yield found[1]


def test_scripts_use_these_fields_and_no_others() -> None:
    """A field that no script writes or reads is gone from the table too."""
    used = {f for path in STORE.rglob("*.lua") for f in used_fields(path.read_text())}
    assert used == set(FIELDS)


def test_what_is_loaded_and_saved_is_written_when_a_job_is_created() -> None:
    """Loading, saving and creating have the same fields, but for what begins at zero."""
    row = (STORE / "lua/include/job_row.lua").read_text()
    created = set(used_fields((STORE / "lua/include/new_row.lua").read_text()))
    assert set(used_fields(row)) - created == {"running", "staged"}


def test_readers_use_these_fields() -> None:
    """What Python reads of a row is there."""
    read = set()
    for path in STORE.rglob("*.py"):
        read |= set(re.findall(r"\brow(?:\.get\(|\[)\"(\w+)\"", path.read_text()))
    assert {"window", "keep", "created"} <= read
    assert read <= set(FIELDS)


def test_the_internals_page_has_the_table() -> None:
    """The text of it is ``flowforge.store.job_reads.job_fields.table()``."""
    assert table() in (ROOT / "docs/explanation/internals.md").read_text()
