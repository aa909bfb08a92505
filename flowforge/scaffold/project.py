"""Writing a new project.

``template/`` is a whole project called ``shop``, each file with ``.tmpl`` behind its name. A new
project has the same files, with its own name in the place of the word ``shop``.
"""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from flowforge.errors import InvalidValueError

_SUFFIX = ".tmpl"

#: The project of the template, and what stands for the version of FlowForge that it needs.
_NAME = re.compile(r"\bshop\b")
_VERSION = "FLOWFORGE_VERSION"

#: Modules that the project's own files import.
_TAKEN = frozenset({"celery", "flowforge", "pytest", "redis", "tests"})


def check_name(name: str) -> None:
    """InvalidValueError for what cannot be the name of the project's package."""
    if not (name.isascii() and name.isidentifier()):
        proposal = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower()
        hint = f"; {proposal} would do" if proposal.isidentifier() else ""
        raise InvalidValueError(
            f"{name!r} cannot be the name of a Python package: it takes ASCII letters, digits and "
            f"underscores, and begins with no digit{hint}"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise InvalidValueError(f"{name!r} is a word of Python's own: take another name")
    if name in sys.stdlib_module_names or name in _TAKEN:
        raise InvalidValueError(
            f"{name!r} is the name of a module that Python or the project itself uses: take "
            "another name"
        )


def write_project(folder: Path, name: str, version: str) -> list[Path]:
    """Write a project called ``name`` for a version of FlowForge; its files within the folder.

    The folder is made; InvalidValueError when it has something in it, when it is no folder and when
    the name cannot be that of a package. OSError when it cannot be written.
    """
    check_name(name)
    if folder.exists() and not folder.is_dir():
        raise InvalidValueError(f"{str(folder)!r} is a file: take another name")
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidValueError(f"the folder {str(folder)!r} is not empty: take another one")
    written = []
    for place, text in _files(resources.files(__package__) / "template", Path()):
        path = Path(*(_NAME.sub(name, part) for part in place.parts))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        filled = _NAME.sub(name, text).replace(_VERSION, version)
        # As in a repository: with the same line ends everywhere, and never over a file.
        with (folder / path).open("x", encoding="utf-8", newline="\n") as file:
            file.write(filled)
        written.append(path)
    return sorted(written)


def _files(folder: Traversable, place: Path) -> Iterator[tuple[Path, str]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, place / entry.name)
        elif entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            yield place / name, entry.read_text(encoding="utf-8")
