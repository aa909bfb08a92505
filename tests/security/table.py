"""The table of what was tried, from the tests that try it.

``python -m tests.security.table`` prints it; with ``--write`` it goes to
docs/explanation/security.md. A test belongs to it by its mark: ``@pytest.mark.attack(what="...")``.
Its docstring says what happens.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/explanation/security.md"

_BEGIN = "<!-- attacks: begin -->\n"
_END = "<!-- attacks: end -->"


@dataclass(frozen=True)
class Attack:
    """One row: what was tried, what happens, and the test that shows it."""

    what: str
    outcome: str
    test: str
    file: Path

    @property
    def row(self) -> str:
        name = f"{self.file.relative_to(ROOT).as_posix()}::{self.test}"
        return f"| {self.what} | {self.outcome} | `{name}` |"


def attacks(directory: Path = ROOT / "tests") -> list[Attack]:
    """Every marked test below a directory, by file and in the order of each file."""
    return [one for file in sorted(directory.rglob("test_*.py")) for one in _attacks_in(file)]


def _attacks_in(file: Path) -> Iterator[Attack]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            for what in filter(None, map(_tried, node.decorator_list)):
                outcome = " ".join((ast.get_docstring(node) or "").split())
                yield Attack(what, outcome, node.name, file)


def _tried(decorator: ast.expr) -> str | None:
    """The text of ``pytest.mark.attack(what="...")``; None for any other decorator."""
    if not isinstance(decorator, ast.Call) or ast.unparse(decorator.func) != "pytest.mark.attack":
        return None
    (what,) = decorator.keywords
    return str(ast.literal_eval(what.value))


def table(found: list[Attack]) -> str:
    """The rows as Markdown."""
    head = ["| What was tried | What happens | Test |", "|---|---|---|"]
    return "\n".join([*head, *(attack.row for attack in found)]) + "\n"


def with_table(page: str, rows: str) -> str:
    """The page with the rows between its two marks."""
    pattern = re.escape(_BEGIN) + ".*?" + re.escape(_END)
    return re.sub(pattern, lambda _: f"{_BEGIN}\n{rows}\n{_END}", page, flags=re.DOTALL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put it into the page")
    rows = table(attacks())
    if parser.parse_args().write:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), rows), encoding="utf-8")
    else:
        print(rows, end="")


if __name__ == "__main__":
    main()
