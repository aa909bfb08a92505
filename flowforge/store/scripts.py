"""The Lua scripts, one per transition, as they are sent to the server.

``python -m flowforge.store.scripts NAME`` prints a script as the server gets it, each line with the
file and line that it comes from: errors of the server name lines of the whole.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flowforge.store.lua_files import TEXTS
from flowforge.store.rendering import Part, parts_of


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
        parts = [part._replace(text=part.text.replace(old, new)) for part in self.parts]
        return Script.of(self.name, parts)

    @classmethod
    def of(cls, name: str, parts: Sequence[Part]) -> Script:
        """A script of these parts."""
        source = "".join(part.text for part in parts)
        return cls(name, source, hashlib.sha1(source.encode()).hexdigest(), tuple(parts))

    def lines(self) -> Iterator[tuple[str, int, str]]:
        """File, line in that file and text of each line of the source."""
        for part in self.parts:
            for number, line in enumerate(part.text.splitlines(), part.first):
                yield part.file, number, line


def render(name: str, text: str) -> Script:
    """The script of a transition's own text, with what it includes."""
    return Script.of(name, parts_of(name, text))


class _Scripts(dict[str, Script]):
    """The scripts by name, each rendered when it is first asked for: a process needs few."""

    def __missing__(self, name: str) -> Script:
        found = self[name] = render(name, TEXTS[f"{name}.lua"])
        return found


#: See ``script_names`` for what can be asked for. KeyError for any other name.
SCRIPTS: dict[str, Script] = _Scripts()


def script_names() -> list[str]:
    """The names of all scripts."""
    return sorted(path.removesuffix(".lua") for path in TEXTS if "/" not in path)


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
