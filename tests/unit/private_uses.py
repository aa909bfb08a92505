"""Which private names the source uses that it does not define: those of other libraries."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.support.fleet import ROOT

#: Names that begin so, and that Python documents.
_DOCUMENTED = {"_exit", "_getframe", "_replace"}

#: Names with two underscores that are Python's own.
_PYTHONS = {
    name
    for kind in (
        BaseException, dict, float, frozenset, int, list, object, str, type, types.FunctionType,
        types.GeneratorType, types.MethodType, types.ModuleType,
    )
    for name in dir(kind)
}  # fmt: skip
_PYTHONS |= {
    "__copy__", "__dataclass_fields__", "__deepcopy__", "__enter__", "__exit__", "__file__",
    "__getattr__", "__missing__", "__notes__", "__path__", "__post_init__",
    "__required_keys__", "__set_name__",
    "__signature__", "__slots__", "__spec__", "__supertype__", "__value__", "__wrapped__",
}  # fmt: skip

#: Libraries whose classes have private names. A file that imports none of them has no such class,
#: so what a class of it declares is its own.
_LIBRARIES = ("billiard", "celery", "kombu", "redis")


def private_uses(path: Path) -> set[str]:
    """The private names of others in one file, without what they belong to."""
    tree = ast.parse(path.read_text())
    own = _defined(tree) | _inherited(tree)
    others = own | _of_imported(tree, None)
    return {
        name
        for name, certain, of_self in _used(tree)
        if certain or name not in (own if of_self else others)
    }


def _is_private(name: str) -> bool:
    if name.startswith("__") and name.endswith("__"):
        return name not in _PYTHONS
    return name.startswith("_") and name not in _DOCUMENTED


def _used(tree: ast.Module) -> Iterator[tuple[str, bool, bool]]:
    """Each private name, whether it is another library's for certain, and whether it is self's."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr):
            owner = ast.unparse(node.value)
            yield node.attr, owner == "super()", owner == "self"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr"):
            name = node.args[1]
            if isinstance(name, ast.Constant) and _is_private(str(name.value)):
                yield str(name.value), True, False
        elif isinstance(node, ast.ImportFrom) and not _own_module(node):
            yield from ((one.name, True, False) for one in node.names if _is_private(one.name))
        elif isinstance(node, ast.FunctionDef) and node.name.endswith("__"):
            yield from [(node.name, True, False)] if _is_private(node.name) else []


def _own_module(node: ast.ImportFrom) -> bool:
    return str(node.module).split(".")[0] == "flowforge"


def _defined(tree: ast.Module) -> set[str]:
    """What a file assigns or defines; a class of another library's does not by a declaration."""
    found: set[str] = set()
    declares = not _imports_libraries(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defines = node.value is not None or declares
            found |= {node.target.id} if defines else set()
    return found


@cache
def _defined_in(path: Path) -> set[str]:
    return _defined(ast.parse(path.read_text()))


def _imports_libraries(tree: ast.Module) -> bool:
    return any(
        name.split(".")[0] in _LIBRARIES
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([str(getattr(node, "module", ""))] + [one.name for one in node.names])
    )


def _bases(tree: ast.Module) -> set[str]:
    return {
        ast.unparse(base)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }


@cache
def _inherited_in(path: Path) -> set[str]:
    return _inherited(ast.parse(path.read_text()))


def _inherited(tree: ast.Module) -> set[str]:
    """What the project's classes define that the classes of a file stand on, however far up."""
    bases = _bases(tree)
    found = _of_imported(tree, bases)
    for path in _imported(tree, bases):
        found |= _inherited_in(path)
    return found


def _of_imported(tree: ast.Module, names: set[str] | None) -> set[str]:
    """What the project's modules define of which a file imports one of the names, or anything."""
    found: set[str] = set()
    for path in _imported(tree, names):
        found |= _defined_in(path)
    return found


def _imported(tree: ast.Module, names: set[str] | None) -> Iterator[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and _own_module(node):
            path = ROOT / f"{str(node.module).replace('.', '/')}.py"
            if path.exists() and (names is None or names & {one.name for one in node.names}):
                yield path
