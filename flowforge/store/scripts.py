"""The Lua scripts, one per transition, as they are sent to the server.

A file in ``lua/`` is a transition, a file in ``lua/include/`` a rule. Each names on its
``--@include`` lines what it uses itself; what that needs in turn is found from there. Within a
function such a line is replaced by the file, and by what that needs and does not stand further up.
What is there is then made when the function runs: a rule that few runs of a script need costs the
others nothing.

``python -m flowforge.store.scripts NAME`` prints a script as the server gets it, each line with the
file and line that it comes from: errors of the server name lines of the whole.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from typing import NamedTuple

from flowforge.store.keys import expand_keys

_INCLUDE = re.compile(r"^--@include (.+)$", re.MULTILINE)
_WITHIN = re.compile(r"^ +--@include (.+)$", re.MULTILINE)

_LUA = resources.files("flowforge.store") / "lua"

#: Includes behind which what follows is a function of its own, called at once. Lua makes a script's
#: functions in each run, and looks up each local that they use among all that are in use; locals
#: of a function further out it finds at once. Few scripts lack these.
_ENCLOSING = {"base", "job_row", "push", "join"}

#: What a line that no file holds is said to come from.
LOADER = "(loader)"


class Part(NamedTuple):
    """Whole lines that a script has from one file. ``first``: the number there of the first one."""

    file: str
    text: str
    first: int = 1


_OPEN, _CLOSE = Part(LOADER, "return (function()\n"), Part(LOADER, "end)()\n")


@dataclass(frozen=True)
class Script:
    """Rendered source of one transition and the digest that EVALSHA takes."""

    name: str
    source: str
    sha: str
    #: In their order.
    parts: tuple[Part, ...]

    def changed(self, old: str, new: str) -> Script:
        """The same script with other text in it, for those who try what it is good for."""
        parts = tuple(part._replace(text=part.text.replace(old, new)) for part in self.parts)
        return Script.of(self.name, parts)

    @classmethod
    def of(cls, name: str, parts: tuple[Part, ...]) -> Script:
        """A script of these parts."""
        source = "".join(part.text for part in parts)
        return cls(name, source, hashlib.sha1(source.encode()).hexdigest(), parts)

    def lines(self) -> Iterator[tuple[str, int, str]]:
        """File, line in that file and text of each line of the source."""
        for part in self.parts:
            for number, line in enumerate(part.text.splitlines(), part.first):
                yield part.file, number, line


def includes_of(text: str) -> list[str]:
    """The names on the ``--@include`` lines of a file, which stand at its head."""
    return [name for names in _INCLUDE.findall(text) for name in _names(names)]


def within(text: str) -> list[str]:
    """The names on ``--@include`` lines within functions."""
    return [name for names in _WITHIN.findall(text) for name in _names(names)]


def _names(line: str) -> list[str]:
    return [name.strip() for name in line.split(",")]


def resolve(
    name: str, text: str, read: Callable[[str], str], there: Set[str] = frozenset()
) -> list[str]:
    """Everything that stands before a file: what it includes at its head, directly or not, each
    after what it includes itself.

    ``read``: the text of an include by its name; ``there``: the includes that stand further up
    already. ValueError when files include each other.
    """
    order: list[str] = []

    def visit(text: str, above: tuple[str, ...]) -> None:
        for include in includes_of(text):
            if include not in order and include not in there:
                visit(read(include), _below(include, above))
                order.append(include)

    visit(text, (name,))
    return order


def _below(include: str, above: tuple[str, ...]) -> tuple[str, ...]:
    if include in above:
        circle = " -> ".join([*above[above.index(include) :], include])
        raise ValueError(f"Lua files include each other: {circle}")
    return (*above, include)


def _texts(below: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Path and text of every Lua file."""
    for entry in below.iterdir():
        if entry.is_dir():
            yield from _texts(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".lua"):
            yield f"{prefix}{entry.name}", entry.read_text()


#: All of them are read at once: a process whose package is replaced under it must not mix two
#: releases.
_TEXTS = dict(_texts(_LUA))


def _read_include(name: str) -> str:
    return _TEXTS[f"include/{name}.lua"]


@functools.cache
def _pieces(file: str, text: str) -> list[tuple[Part, list[str]]]:
    """A file in pieces, each with the names of what is included behind it, within a function."""
    pieces: list[tuple[Part, list[str]]] = []
    lines, first = text.splitlines(keepends=True), 0
    for at, line in enumerate(lines):
        if match := _WITHIN.match(line):
            part = Part(file, expand_keys("".join(lines[first:at])), first + 1)
            pieces.append((part, _names(match[1])))
            first = at + 1
    pieces.append((Part(file, expand_keys("".join(lines[first:])), first + 1), []))
    return pieces


def _parts(file: str, text: str, there: Set[str], above: tuple[str, ...]) -> Iterator[Part]:
    """A file, with what it includes within functions in its place.

    ``there``: the includes that stand before it, which are not made again.
    """
    for part, names in _pieces(file, text):
        yield part
        here = set(there)
        for name in names:
            path = _below(name, above)
            for include in resolve(name, _read_include(name), _read_include, here):
                yield from _include_parts(include, here, _below(include, path))
                here.add(include)
            yield from _include_parts(name, here, path)
            here.add(name)


def _include_parts(name: str, there: Set[str], above: tuple[str, ...]) -> Iterator[Part]:
    return _parts(f"include/{name}.lua", _read_include(name), there, above)


def render(name: str, text: str) -> Script:
    """The script of a transition's own text, with what it includes."""
    parts: list[Part] = []
    there: set[str] = set()
    depth = 0
    for include in resolve(name, text, _read_include):
        parts += _include_parts(include, there, (include,))
        there.add(include)
        if include in _ENCLOSING:
            parts.append(_OPEN)
            depth += 1
    return Script.of(
        name, (*parts, *_parts(f"{name}.lua", text, there, (name,)), *[_CLOSE] * depth)
    )


class _Scripts(dict[str, Script]):
    """The scripts by name, each rendered when it is first asked for: a process needs few."""

    def __missing__(self, name: str) -> Script:
        found = self[name] = render(name, _TEXTS[f"{name}.lua"])
        return found


#: See ``script_names`` for what can be asked for. KeyError for any other name.
SCRIPTS: dict[str, Script] = _Scripts()


def script_names() -> list[str]:
    """The names of all scripts."""
    return sorted(path.removesuffix(".lua") for path in _TEXTS if "/" not in path)


def all_scripts() -> list[Script]:
    """All scripts."""
    return [SCRIPTS[name] for name in script_names()]


def _print(name: str) -> None:
    rows = [(f"{file}:{number}", line) for file, number, line in SCRIPTS[name].lines()]
    width = max(len(place) for place, _ in rows)
    for count, (place, line) in enumerate(rows, 1):
        print(f"{count:4}  {place:<{width}}  {line}".rstrip())


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        if wanted not in script_names():
            sys.exit(f"there is no script {wanted!r}; there are: {', '.join(script_names())}")
        _print(wanted)
