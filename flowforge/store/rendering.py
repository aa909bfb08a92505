"""Putting a script together from its files.

What the files include at their heads stands in front of the transition's own text. What they
include within functions, and what that needs in turn, is rare. It stands behind that, once, in one
function: ``rarely(number)`` makes what an include defines when a run first asks for it. So a rule
that few runs of a script need costs the others nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from flowforge.store.keys import expand_keys
from flowforge.store.lua_files import (
    defined_in,
    included_on,
    includes_of,
    path_of,
    read_include,
    resolve,
    used_in,
)

#: Includes behind which what follows is a function of its own, called at once. Lua makes a script's
#: functions in each run, and looks up each local that they use among all that are in use; locals
#: of a function further out it finds at once. Few scripts lack these.
_ENCLOSING = {"base", "job_row", "push", "join"}

#: What a line that no file holds is said to come from.
LOADER = "(loader)"

#: The include whose locals other files change: a copy of one would not do.
_STATE = "state"


class Part(NamedTuple):
    """Whole lines that a script has from one file. ``first``: the number there of the first one."""

    file: str
    text: str
    first: int = 1


def _own(text: str) -> Part:
    return Part(LOADER, f"{text}\n")


_OPEN, _CLOSE = _own("return (function()"), _own("end)()")


def parts_of(name: str, text: str) -> list[Part]:
    """The script of a transition's own text, with what it includes."""
    script = _Script(name, text, "")
    parts = script.parts()
    if _STATE in script.rare:
        return _Script(name, text, f"--@include base, {_STATE}\n").parts()
    return parts


class _Piece(NamedTuple):
    """Lines of a file up to an ``--@include`` line within a function."""

    part: Part
    includes: list[str]
    #: The names that are used from there on.
    behind: Set[str]


@functools.cache
def _pieces(file: str, text: str) -> list[_Piece]:
    lines = text.splitlines(keepends=True)
    ends = [at for at, line in enumerate(lines) if included_on(line)]
    pieces: list[_Piece] = []
    last, includes, behind = len(lines), list[str](), frozenset[str]()
    # From the last one to the first, so that each line is searched for names once.
    for end in reversed([-1, *ends]):
        own = "".join(lines[end + 1 : last])
        pieces.append(_Piece(Part(file, expand_keys(own), end + 2), includes, behind))
        if end >= 0:
            last, includes, behind = end, included_on(lines[end]), behind | used_in(own)
    return pieces[::-1]


class _Script:
    """``head``: lines in front of the transition's own, for what it includes."""

    def __init__(self, name: str, text: str, head: str) -> None:
        self._name, self._text = name, text
        self._front = resolve(name, head + text, read_include)
        #: The rare includes, in the order of their numbers, which begin with 1.
        self.rare: list[str] = []

    def parts(self) -> list[Part]:
        front = [
            [*self._file(path_of(include), read_include(include), self._front[:at])]
            for at, include in enumerate(self._front)
        ]
        own = [*self._file(f"{self._name}.lua", self._text, self._front)]
        rare: list[list[Part]] = []
        # Each may ask for further ones.
        while len(rare) < len(self.rare):
            rare.append([*self._rules(self.rare[len(rare)])])
        whole = [_own("local rarely, made")] if rare else []
        depth = 0
        for include, parts in zip(self._front, front, strict=True):
            whole += parts
            if include in _ENCLOSING:
                whole.append(_OPEN)
                depth += 1
        return [*whole, *_rarely(rare), *own, *[_CLOSE] * depth]

    def _file(self, file: str, text: str, above: Sequence[str]) -> Iterator[Part]:
        """The lines of a file. ``above``: the includes whose names it sees."""
        for piece in _pieces(file, text):
            yield piece.part
            yield from self._asks(piece.includes, piece.behind, above)

    def _rules(self, include: str) -> Iterator[Part]:
        """Makes what a rare include defines. Some stand in front, but behind who asks for them."""
        text = read_include(include)
        if include not in self._front:
            yield from self._asks(includes_of(text), used_in(text), self._front)
            yield from self._file(path_of(include), text, self._front)
        yield _own(f"rules = {{ {', '.join(f'{name} = {name}' for name in defined_in(text))} }}")

    def _asks(
        self, includes: Sequence[str], used: Set[str], above: Sequence[str]
    ) -> Iterator[Part]:
        """Gets what is used of includes that are not seen."""
        for include in includes:
            names = [name for name in defined_in(read_include(include)) if name in used]
            if include in above or not names:
                continue
            if include not in self.rare:
                self.rare.append(include)
            number = self.rare.index(include) + 1
            yield _own(f"local rare = rarely({number})")
            yield _own(f"local {', '.join(names)} = {', '.join(f'rare.{name}' for name in names)}")


def _rarely(rare: Sequence[Sequence[Part]]) -> Iterator[Part]:
    """The function that makes what is rare; nothing where nothing is."""
    if rare:
        yield _own("function rarely(number)")
        yield _own("local rules = made and made[number]")
        yield _own("if rules then return rules end")
        yield from _choice(rare, 1)
        yield _own("made = made or {}")
        yield _own("made[number] = rules")
        yield _own("return rules")
        yield _own("end")


def _choice(rare: Sequence[Sequence[Part]], first: int) -> Iterator[Part]:
    """Finds the rules of a number in few steps."""
    if len(rare) == 1:
        yield from rare[0]
        return
    half = len(rare) // 2
    yield _own(f"if number < {first + half} then")
    yield from _choice(rare[:half], first)
    yield _own("else")
    yield from _choice(rare[half:], first + half)
    yield _own("end")
