"""The pages of the reference leave nothing out, and say what the code says."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re

import click
import pytest

import flowforge
from flowforge import errors
from flowforge.cli.main import cli
from flowforge.engine.submission.submit import SUBMIT_CHUNK
from flowforge.settings import Settings
from tests.support.commands import COMMANDS
from tests.support.pages import DOCS, ROOT

REFERENCE = DOCS / "reference"

#: What `make docs` makes of docstrings: directive and name.
DIRECTIVE = re.compile(r"^\.\. auto(?:class|function):: (\w+)", re.MULTILINE)

MAIN_CLASSES = [
    flowforge.Flow,
    flowforge.Routine,
    flowforge.JobState,
    flowforge.ErrorHandler,
    flowforge.Join,
]

#: Public for other parts of the library, not for users.
INTERNAL = {"bind", "version", "entry_routine", "mode", "params"}


def text_of(page: str) -> str:
    return (REFERENCE / page).read_text()


def test_every_public_name_has_its_place() -> None:
    """Once, on one of the pages made from docstrings; exceptions are on a page of their own."""
    found = [
        name for page in REFERENCE.glob("*.md") for name in DIRECTIVE.findall(page.read_text())
    ]
    assert sorted([*found, "FlowForgeError"]) == sorted(flowforge.__all__)


def own_members(cls: type) -> dict[str, object]:
    """The public members of a class and of its bases in the library."""
    bases = [base for base in reversed(cls.__mro__) if base.__module__.startswith("flowforge.")]
    members = {name: value for base in bases for name, value in vars(base).items()}
    return {
        name: value
        for name, value in members.items()
        if not name.startswith("_") and name not in INTERNAL
    }


def needs_no_docstring(value: object) -> bool:
    """A field, whose comment says what it is, or a method that every record has."""
    is_code = callable(value) or isinstance(value, property | classmethod)
    return not is_code or getattr(value, "__name__", "") in ("serialize", "deserialize")


@pytest.mark.parametrize("cls", MAIN_CLASSES, ids=lambda cls: cls.__name__)
def test_every_public_member_has_a_docstring(cls: type) -> None:
    """The reference shows nothing of a member without one."""
    bare = [
        name
        for name, value in own_members(cls).items()
        if not inspect.getdoc(value) and not needs_no_docstring(value)
    ]
    assert bare == []


@pytest.mark.parametrize("cls", [flowforge.Routine, flowforge.ErrorHandler, flowforge.Join])
def test_the_page_on_routines_names_every_member(cls: type) -> None:
    """Where a page chooses the members and their order, it leaves none out."""
    named = set(re.findall(r"\w+", text_of("routine.md")))
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    assert {*own_members(cls), *(field.name for field in fields)} - named == set()


def rows(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables by the code spans of their first cell."""
    found = {}
    for line in text_of(page).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`(\w+)`", cells[0] if line.startswith("| ") else ""):
            found[name] = cells
    return found


def test_every_setting_has_a_row_with_its_default() -> None:
    """The table has the settings of the code, and their numbers."""
    table = rows("setup.md")
    assert {field.name for field in dataclasses.fields(Settings)} <= set(table)
    for field in dataclasses.fields(Settings):
        if isinstance(field.default, (int, float)):
            assert float(table[field.name][1]) == field.default, field.name


def test_every_exception_has_a_row_with_its_bases() -> None:
    """The second column has what an exception derives from."""
    table = rows("errors.md")
    exceptions = {name: found for name, found in vars(errors).items() if inspect.isclass(found)}
    assert list(table) == list(exceptions)
    for name, found in exceptions.items():
        bases = [base.__name__ for base in found.__bases__ if base is not Exception]
        assert re.findall(r"`(\w+)`", table[name][1]) == bases, name


def section(page: str, title: str) -> str:
    """What stands below the heading `title`, up to the next one of its level."""
    return page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def long_options(command: click.Command) -> set[str]:
    found = {name for one in command.params for name in [*one.opts, *one.secondary_opts]}
    return {name for name in found if name.startswith("--")} - {"--version"}


def test_the_options_of_the_group_are_on_the_page() -> None:
    """Those that stand before the command."""
    head = text_of("cli.md").partition("\n## ")[0]
    assert long_options(cli) - set(re.findall(r"--[\w-]+", head)) == set()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_on_the_page(name: str) -> None:
    """A command has a section, alone or with its siblings, which names all of its options."""
    page = text_of("cli.md")
    titles = [
        one for one in re.findall(r"^## (.+)$", page, re.MULTILINE) if name in one.split(", ")
    ]
    (title,) = titles or [""]
    assert title, f"cli.md has no section {name}"
    named = set(re.findall(r"--[\w-]+", section(page, title)))
    assert long_options(COMMANDS[name]) - named == set()


def checks_of_the_doctor() -> set[str]:
    """The second arguments of ``Finding`` that are written out in the code."""
    found: set[str] = set()
    files = (ROOT / "flowforge/doctor").glob("*.py")
    for file in (ROOT / "flowforge/cli/doctor.py", *files):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding":
                check = node.args[1]
                found |= {str(check.value)} if isinstance(check, ast.Constant) else set()
    return found


def test_every_check_of_the_doctor_is_on_the_page() -> None:
    """Under the name that programs get."""
    table = section(text_of("cli.md"), "doctor").partition("| Check |")[2]
    names = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = set(re.findall(r"`([\w-]+)`", " ".join(names)))
    assert len(checks_of_the_doctor()) > 20
    assert checks_of_the_doctor() - named == set()


def test_the_limits_are_those_of_the_code() -> None:
    """The page on limits has the numbers that the settings start with."""
    page = text_of("limits.md")
    defaults = Settings()
    for name in ("max_in_flight", "output_limit", "history_limit", "max_losses"):
        assert f"`{name}`: {getattr(defaults, name):,} by default" in page
    assert f"| {SUBMIT_CHUNK}, or as many as" in page
