"""The table of other libraries' private names, the tests of them and the source agree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.fleet import ROOT
from tests.unit.private_uses import private_uses

PAGE = ROOT / "docs/explanation/internals.md"
PACKAGE = ROOT / "flowforge"

_ROW = re.compile(
    r"^\| (kombu|celery|billiard|redis) \| `([^`]+)` \| ([^|]+) \| [^|]*\. \|$", re.MULTILINE
)


def table() -> dict[tuple[str, str], list[str]]:
    """Library and name of each row, with the files that use it."""
    rows = _ROW.findall(PAGE.read_text())
    return {(library, name): re.findall("`([^`]+)`", files) for library, name, files in rows}


def marks() -> set[tuple[str, str]]:
    """What the tests of private names are marked with."""
    found: set[tuple[str, str]] = set()
    for path in (ROOT / "tests/contract").glob("test_private_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.private_name":
                library, name = (ast.literal_eval(argument) for argument in node.args)
                found.add((library, name))
    return found


def test_each_row_of_the_table_has_a_test_and_each_test_a_row() -> None:
    """So the page tells all that an upgrade is tested for."""
    rows = table()
    assert rows
    assert set(rows) == marks()
    assert PAGE.read_text().count("\n| kombu |") == sum(lib == "kombu" for lib, _ in rows)


def test_each_private_name_in_the_source_has_a_row() -> None:
    """A new use of one comes with its row and its test."""
    known = {
        (file, name.rpartition(".")[2]) for (_, name), files in table().items() for file in files
    }
    found = {
        (str(path.relative_to(PACKAGE)), name)
        for path in PACKAGE.rglob("*.py")
        for name in private_uses(path)
    }
    assert found - known == set()


def test_each_row_names_files_that_use_the_name() -> None:
    """A name that is used no more loses its row."""
    stale = [
        (name, file)
        for (_, name), files in table().items()
        for file in files
        if not _is_used(name.rpartition(".")[2], PACKAGE / file)
    ]
    assert stale == []


def _is_used(name: str, path: Path) -> bool:
    # Names that are not written where they are used: what is done instead of calling them.
    sign = {
        "_q_for_pri": "def suffix",
        "*_tref": '"_tref"',
        "conf keys that begin with _": "_JOINED",
        "__del__": "register_at_fork",
        "maxlen": "revoked.maxlen",
    }.get(name, name)
    return sign in path.read_text()


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import kombu\nprint(kombu.x._raw)", {"_raw"}),
        ("getattr(pool, '_pool', None)", {"_pool"}),
        ("from celery.app import _private", {"_private"}),
        ("task.__trace__", {"__trace__"}),
        ("import kombu\nclass A(kombu.B):\n    def _size(self): super()._size()", {"_size"}),
        ("import kombu\nclass A(kombu.B):\n    _a: int\n    def f(self): self._a", {"_a"}),
        ("class A:\n    def __init__(self): self._own = 1\n    def f(self): self._own", set()),
        ("os._exit(1); type(x).__name__; one._replace(a=1)", set()),
    ],
)  # fmt: skip
def test_private_names_of_others_are_found(tmp_path: Path, source: str, found: set[str]) -> None:
    """However they are used; a class's own names, Python's and documented ones do not count."""
    path = tmp_path / "module.py"
    path.write_text(source)
    assert private_uses(path) == found
