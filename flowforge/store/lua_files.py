"""The files of ``lua/``, and what each says of itself.

A file in ``lua/`` is a transition, a file in ``lua/include/`` a rule. Each names on its
``--@include`` lines what it uses itself: at its head what every run needs, within a function what
is needed when that function gets there.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable

_INCLUDE = re.compile(r"^--@include (.+)$", re.MULTILINE)
_WITHIN = re.compile(r"^ +--@include (.+)$", re.MULTILINE)
_DEFINED = re.compile(r"^local (?:function )?([A-Za-z_][\w, ]*)", re.MULTILINE)
_NAME = re.compile(r"(?<![\w.:])[A-Za-z_]\w*")
_COMMENT = re.compile(r"--[^\n]*")


def _texts(below: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every Lua file."""
    for entry in below.iterdir():
        if entry.is_dir():
            yield from _texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".lua"):
            yield f"{prefix}{entry.name}", entry.read_text()


#: Path -> text. All of them are read at once: a process whose package is replaced under it must
#: not mix two releases.
TEXTS = dict(_texts(resources.files("flowforge.store") / "lua"))


def path_of(include: str) -> str:
    """Where an include lies."""
    return f"include/{include}.lua"


def read_include(name: str) -> str:
    """The text of an include."""
    return TEXTS[path_of(name)]


@functools.cache
def includes_of(text: str) -> tuple[str, ...]:
    """The names on the ``--@include`` lines of a file, which stand at its head."""
    return tuple(name for names in _INCLUDE.findall(text) for name in _names(names))


def within(text: str) -> list[str]:
    """The names on ``--@include`` lines within functions."""
    return [name for names in _WITHIN.findall(text) for name in _names(names)]


def included_on(line: str) -> list[str]:
    """The names on one line within a function, none if it is no ``--@include`` line."""
    match = _WITHIN.match(line)
    return _names(match[1]) if match else []


@functools.cache
def defined_in(text: str) -> tuple[str, ...]:
    """The names that an include defines for those that include it."""
    return tuple(name for names in _DEFINED.findall(text) for name in _names(names))


@functools.cache
def used_in(text: str) -> frozenset[str]:
    """Every name in a piece of Lua that may be that of a local."""
    return frozenset(_NAME.findall(_COMMENT.sub("", text)))


def _names(line: str) -> list[str]:
    return [name.strip() for name in line.split(",")]


def resolve(name: str, text: str, read: Callable[[str], str]) -> list[str]:
    """Everything that stands before a file: what it includes at its head, directly or not, each
    after what it includes itself.

    ``read``: the text of an include by its name. ValueError when files include each other.
    """
    order: list[str] = []

    def visit(text: str, above: tuple[str, ...]) -> None:
        for include in includes_of(text):
            if include in above:
                circle = " -> ".join([*above[above.index(include) :], include])
                raise ValueError(f"Lua files include each other: {circle}")
            if include not in order:
                visit(read(include), (*above, include))
                order.append(include)

    visit(text, (name,))
    return order
