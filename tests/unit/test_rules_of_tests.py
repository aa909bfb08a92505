"""The rules that all tests keep."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fleet import ROOT

TESTS = ROOT / "tests"
ENVIRONMENT = TESTS / "support/environment.py"


def imported(source: str) -> Iterator[str]:
    """The full names of what Python source imports, also within a text that is a program."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _imported_by_text(node.value)


def _imported_by_text(text: str) -> Iterator[str]:
    for line in text.splitlines():
        first, *rest = line.split()[:2] or [""]
        if first in ("from", "import"):
            yield from rest


def is_of_a_test_file(name: str) -> bool:
    parts = name.split(".")
    return parts[0] == "tests" and any(part.startswith(("test_", "conftest")) for part in parts)


@pytest.mark.parametrize(
    "source",
    [
        "from tests.unit.test_one import two",
        "from tests.unit import test_one",
        "import tests.conftest",
        'PROGRAM = """\nfrom tests.unit.test_one import two\n"""',
    ],
)
def test_an_import_from_a_test_file_is_found(source: str) -> None:
    """However it is written, and in a program that a test starts."""
    assert any(map(is_of_a_test_file, imported(source)))


def test_no_file_imports_from_a_test_file() -> None:
    """What tests share stands in tests/support, in a conftest or in a module that is no test."""
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in TESTS.rglob("*.py")
        if path != Path(__file__)
        for name in imported(path.read_text())
        if is_of_a_test_file(name)
    }
    assert found == set()


def test_settings_are_left_out_of_an_environment_in_one_place() -> None:
    """All others use `without_settings`, or the fixture `no_settings`."""
    sign = "startswith" + '("FLOWFORGE_'
    found = [path for path in TESTS.rglob("*.py") if sign in path.read_text()]
    assert found == []
    assert 'SETTINGS = "FLOWFORGE_"' in ENVIRONMENT.read_text()
