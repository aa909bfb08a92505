"""Which modules a development server runs."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flowforge.dev.source_files import source_files
from flowforge.errors import ConfigurationError

#: What a module does that defines a flow: its text is read, it is not imported.
_IMPORTS = re.compile(r"^\s*(from|import) flowforge\b", re.MULTILINE)
_MAKES = re.compile(r"\bFlow\(")

_PROJECT = "pyproject.toml"


def choose_modules(named: Sequence[str], imports: Sequence[str], project: Path) -> tuple[str, ...]:
    """Those of the command line, else ``imports`` (FLOWFORGE_IMPORTS), else those of the project's
    pyproject.toml, else the only module of the folder that makes a flow.

    ConfigurationError when there is none, several, or no such module.
    """
    chosen = tuple(_module_of(name) for name in named) or tuple(imports)
    chosen = chosen or _of_pyproject(project / _PROJECT) or (_only_module(project),)
    for name in chosen:
        _check(name, project)
    return chosen


def _module_of(name: str) -> str:
    """The module, where its file is named."""
    if not name.endswith(".py"):
        return name
    return ".".join(Path(name).with_suffix("").parts)


def _of_pyproject(path: Path) -> tuple[str, ...]:
    try:
        table: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path.name} cannot be read: {error}") from error
    found = table.get("tool", {}).get("flowforge", {}).get("imports", [])
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ConfigurationError(
            f'[tool.flowforge] imports in {path.name} must be a list of modules, as ["shop.flows"]'
        )
    return tuple(found)


def _only_module(project: Path) -> str:
    found = sorted(_modules_with_flows(project))
    if len(found) == 1:
        return found[0]
    looked = f"FLOWFORGE_IMPORTS is not set, and {_PROJECT} here has no imports in [tool.flowforge]"
    if not found:
        raise ConfigurationError(
            f"there is no flow to run: no module was named, {looked}, and no module in {project} "
            "makes a Flow. `flowforge new NAME` writes a project with one"
        )
    raise ConfigurationError(
        f"several modules here make flows ({', '.join(found)}), and none was named; {looked}: "
        "name those to run, as in `flowforge dev " + found[0] + "`"
    )


def _modules_with_flows(project: Path) -> Iterator[str]:
    for path in source_files(project):
        place = path.relative_to(project)
        names = place.with_suffix("").parts
        if not all(name.isidentifier() for name in names) or _is_test(names):
            continue
        packages = list(place.parents)[:-1]
        if not all((project / package / "__init__.py").is_file() for package in packages):
            continue
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if _IMPORTS.search(text) and _MAKES.search(text):
            yield ".".join(names[:-1] if names[-1] == "__init__" else names)


def _is_test(names: Sequence[str]) -> bool:
    return any(name in ("tests", "test", "conftest") for name in names) or names[-1].startswith(
        "test_"
    )


def _check(name: str, project: Path) -> None:
    """ConfigurationError when there is no such module; what is in it the workers find."""
    top, *rest = name.split(".")
    if not all(part.isidentifier() for part in (top, *rest)):
        raise ConfigurationError(f"{name!r} is no name of a module, such as shop.flows")
    file = project.joinpath(*name.split("."))
    if file.with_suffix(".py").is_file() or (file / "__init__.py").is_file():
        return
    if (project / top).is_dir() or (project / f"{top}.py").is_file() or find_spec(top) is None:
        raise ConfigurationError(f"there is no module {name!r} in {project} or on the Python path")
