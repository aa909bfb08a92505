"""Finding the flow that ``MODULE:FLOW`` names."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from flowforge.cli.group import CommandFailedError
from flowforge.errors import DefinitionError
from flowforge.execution.import_failure import import_failure, is_missing
from flowforge.model.flow import FlowGraph


def load_flow(text: str) -> FlowGraph:
    """Import the module and return its flow. ``:FLOW`` may be missing when there is only one.

    BadParameter when the module or the flow is not there, CommandFailedError when importing fails.
    """
    name, _, attribute = text.partition(":")
    module = load_module(name)
    if not attribute:
        return _only_flow(module)
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
        if found is None:
            raise _bad(f"module {module.__name__!r} has no {attribute!r}{_hint(module)}")
    if not isinstance(found, FlowGraph):
        kind = type(found).__name__
        raise _bad(f"{module.__name__}:{attribute} is no Flow but of type {kind}{_hint(module)}")
    return found


def choose_entry(flow: FlowGraph, entry: str | None) -> str:
    """The routine to start with: the given one, else the only one that no other routine feeds."""
    known = ", ".join(flow.routines) or "none"
    if entry is not None:
        if flow.entry_routine(entry) not in flow.routines:
            raise click.BadParameter(
                f"flow {flow.flow_id!r} has no routine {entry!r}; it has: {known}",
                param_hint="--entry",
            )
        return entry
    try:
        return flow.sole_entry()
    except DefinitionError as error:
        raise click.UsageError(f"{error}: --entry ID") from error


def load_module(text: str) -> ModuleType:
    """Import a module by its name or file. BadParameter when there is none, CommandFailedError when
    importing fails.
    """
    return _load_file(Path(text)) if text.endswith(".py") else _load_module(text)


def _load_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise _bad(f"{name!r} is no module name; give package.module:flow or path/to/file.py:flow")
    _search_first(os.getcwd())
    return _import(name)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise _bad(f"there is no file {os.fspath(path)!r}")
    path = path.resolve()
    names, folder = [path.stem], path.parent
    # Routine classes are known by their module's name, which must be the one workers import.
    while (folder / "__init__.py").is_file():
        names.insert(0, folder.name)
        folder = folder.parent
    if names[-1] == "__init__":
        names.pop()
    _search_first(os.getcwd())
    _search_first(os.fspath(folder))
    module = _import(".".join(names))
    if module.__file__ is None or not os.path.samefile(module.__file__, path):
        raise _bad(f"the name {module.__name__!r} is taken by another module: rename {path.name}")
    return module


def _search_first(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        kind = _bad if is_missing(name, error) else CommandFailedError
        raise kind(import_failure(name, error)) from error


def _flows(module: ModuleType) -> dict[str, FlowGraph]:
    return {name: value for name, value in vars(module).items() if isinstance(value, FlowGraph)}


def _hint(module: ModuleType) -> str:
    return f"; flows there: {', '.join(_flows(module)) or 'none'}"


def _only_flow(module: ModuleType) -> FlowGraph:
    flows = list(_flows(module).values())
    if not flows or any(flow is not flows[0] for flow in flows):
        raise _bad(f"name the flow as {module.__name__}:FLOW{_hint(module)}")
    return flows[0]


def _bad(message: str) -> click.BadParameter:
    return click.BadParameter(message, param_hint="MODULE:FLOW")
