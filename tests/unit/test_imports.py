"""What import-linter cannot see: modules that are reached by their names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowforge

_ROOT = Path(flowforge.__file__).parent

#: Modules that import by name what needs OpenTelemetry: only a process that makes spans does.
_OPTIONAL = {"tracing/switch.py", "worker/run/runtimes.py"}

#: Modules with what is loaded when it is first used: public names, the embedded engine, commands.
_ON_FIRST_USE = {"__init__.py", "local/__init__.py", "cli/group.py"}

#: Modules that import by name: these, and the module of ``flowforge run MODULE:FLOW``.
_IMPORT_BY_NAME = {"cli/target.py"} | _ON_FIRST_USE | _OPTIONAL

#: Modules that give a library the name of one of ours, which the library imports: Celery's request
#: and pool, and the target of the command ``flowforge worker``. All are below or beside.
_GIVE_NAMES = {
    "cli/worker.py",
    "dev/piped_process.py",
    "local/engine.py",
    "worker/run/task.py",
} | _OPTIONAL

_IMPORTERS = {"__import__", "import_module", "resolve_name", "run_module", "run_path"}


def _modules() -> Iterator[tuple[str, str]]:
    for path in sorted(_ROOT.rglob("*.py")):
        yield path.relative_to(_ROOT).as_posix(), path.read_text(encoding="utf-8")


def importers(source: str) -> set[str]:
    """The functions that import by name which a module uses."""
    names = {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, (ast.Name, ast.Attribute))
    }
    names |= {
        alias.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return names & _IMPORTERS


def named_modules(source: str) -> set[str]:
    """The modules of the package whose names are texts in a module."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value.partition(":")[0]
            path = _ROOT.parent.joinpath(*name.split("."))
            if name.startswith("flowforge.") and (
                path.with_suffix(".py").is_file() or path.is_dir()
            ):
                found.add(name)
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module as load",
        "__import__(name)",
        "import pkgutil\npkgutil.resolve_name(name)",
    ],
)
def test_an_import_by_name_is_found(source: str) -> None:
    """In each of the ways that there are."""
    assert importers(source)


@pytest.mark.parametrize("text", ["flowforge.engine.engine", "flowforge.engine.engine:Engine"])
def test_the_name_of_a_module_is_found(text: str) -> None:
    """With a name in it or without; ``sys.modules`` takes them too."""
    assert named_modules(f"import sys\nsys.modules[{text!r}]") == {"flowforge.engine.engine"}


def test_few_modules_import_by_name() -> None:
    """Such an import goes around the layers."""
    assert {path for path, source in _modules() if importers(source)} == _IMPORT_BY_NAME


def test_few_modules_name_others() -> None:
    """A text can reach upward, where an import cannot."""
    found = {path for path, source in _modules() if named_modules(source)}
    assert found - {"store/lua_files.py"} - _ON_FIRST_USE == _GIVE_NAMES
