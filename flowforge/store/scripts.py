"""The Lua scripts, one per transition, as they are sent to the server.

A file in ``lua/`` is a transition, a file in ``lua/include/`` a rule that several share. Each names
on its ``--@include`` line what it uses itself; what that needs in turn is found from there.

``python -m flowforge.store.scripts NAME`` prints a script as the server gets it, each line with the
file and line that it comes from: errors of the server name lines of the whole.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources

from flowforge.store.keys import expand_keys

_INCLUDE = re.compile(r"^--@include (.+)$", re.MULTILINE)

_LUA = resources.files("flowforge.store") / "lua"

#: Includes behind which what follows is a function of its own, called at once. Lua makes a script's
#: functions in each run, and looks up each local that they use among all that are in use; locals
#: of a function further out it finds at once. Few scripts lack these.
_ENCLOSING = {f"include/{name}.lua" for name in ("base", "job_row", "push", "join")}

#: What a line that no file holds is said to come from.
LOADER = "(loader)"
_OPEN, _CLOSE = (LOADER, "return (function()"), (LOADER, "end)()")


@dataclass(frozen=True)
class Script:
    """Rendered source of one transition and the digest that EVALSHA takes."""

    name: str
    source: str
    sha: str
    #: File and text of each part, in their order.
    parts: tuple[tuple[str, str], ...]

    def changed(self, old: str, new: str) -> Script:
        """The same script with other text in it, for those who try what it is good for."""
        parts = tuple((file, text.replace(old, new)) for file, text in self.parts)
        return Script.of(self.name, parts)

    @classmethod
    def of(cls, name: str, parts: tuple[tuple[str, str], ...]) -> Script:
        """A script of these parts."""
        source = "\n".join(text.rstrip("\n") for _, text in parts) + "\n"
        return cls(name, source, hashlib.sha1(source.encode()).hexdigest(), parts)

    def lines(self) -> Iterator[tuple[str, int, str]]:
        """File, line in that file and text of each line of the source."""
        for file, text in self.parts:
            for number, line in enumerate(text.splitlines(), 1):
                yield file, number, line


def includes_of(text: str) -> list[str]:
    """The names on the ``--@include`` line of a file; none without such a line."""
    match = _INCLUDE.search(text)
    return [] if match is None else [name.strip() for name in match[1].split(",")]


def resolve(name: str, text: str, read: Callable[[str], str]) -> list[str]:
    """Everything that a file includes, directly or not, each after what it includes itself.

    ``read``: the text of an include by its name. ValueError when files include each other.
    """
    order: list[str] = []

    def visit(include: str, above: tuple[str, ...]) -> None:
        if include in above:
            circle = " -> ".join([*above[above.index(include) :], include])
            raise ValueError(f"Lua files include each other: {circle}")
        if include in order:
            return
        for needed in includes_of(read(include)):
            visit(needed, (*above, include))
        order.append(include)

    for include in includes_of(text):
        visit(include, (name,))
    return order


@functools.cache
def _read_include(name: str) -> str:
    return (_LUA / "include" / f"{name}.lua").read_text()


def render(name: str, text: str) -> Script:
    """The script of a transition's own text, with what it includes."""
    texts = [
        (f"include/{include}.lua", _read_include(include))
        for include in resolve(name, text, _read_include)
    ]
    parts: list[tuple[str, str]] = []
    depth = 0
    for file, part in texts:
        parts.append((file, expand_keys(part)))
        if file in _ENCLOSING:
            parts.append(_OPEN)
            depth += 1
    parts += [(f"{name}.lua", expand_keys(text)), *[_CLOSE] * depth]
    return Script.of(name, tuple(parts))


def _load_all() -> dict[str, Script]:
    files = (entry for entry in _LUA.iterdir() if entry.name.endswith(".lua"))
    names = {entry.name.removesuffix(".lua"): entry.read_text() for entry in files}
    return {name: render(name, text) for name, text in names.items()}


#: Every script by name.
SCRIPTS: dict[str, Script] = _load_all()


def _print(name: str) -> None:
    rows = [(f"{file}:{number}", line) for file, number, line in SCRIPTS[name].lines()]
    width = max(len(place) for place, _ in rows)
    for count, (place, line) in enumerate(rows, 1):
        print(f"{count:4}  {place:<{width}}  {line}".rstrip())


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        if wanted not in SCRIPTS:
            sys.exit(f"there is no script {wanted!r}; there are: {', '.join(sorted(SCRIPTS))}")
        _print(wanted)
