"""Which words a Lua script can return, read from its source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

#: Stands for the status of a job, which a script may answer.
STATUS = "(status)"

_TOKEN = re.compile(
    r"--[^\n]*|\s+|'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"|[A-Za-z_]\w*|\d[\d.]*\w*|\.\.\.?"
    r"|[=~<>]=|.",
    re.DOTALL,
)
_OPENING = {"function", "if", "do", "repeat"}
_CLOSING = {"end", "until"}
_ENDS = {"end", "else", "elseif", "until"}
_BRACKETS = {"(": ")", "{": "}", "[": "]"}

Expression = tuple[str, ...]


@dataclass
class Function:
    """What a function returns, and what is assigned to its variables: an expression each."""

    returned: list[Expression] = field(default_factory=list)
    assigned: dict[str, list[Expression]] = field(default_factory=dict)


def tokens_of(source: str) -> list[str]:
    """Names, texts and signs, without comments and blanks."""
    found = (match[0] for match in _TOKEN.finditer(source))
    return [token for token in found if not token.isspace() and not token.startswith("--")]


class Reader:
    """Reads a script: its functions by name, and the script itself, whose name is ''."""

    def __init__(self, source: str) -> None:
        self._tokens = tokens_of(source)
        self.functions: dict[str, Function] = {}
        self._read("", 0)

    def answers(self) -> set[str]:
        """The words that the script returns: a text, or the first item of a table."""
        return self._returned("", ())

    def _returned(self, name: str, above: tuple[str, ...]) -> set[str]:
        function = self.functions.get(name)
        if function is None or name in above:
            return set()
        found: set[str] = set()
        for expression in function.returned:
            found |= self._words(expression, function, (*above, name))
        return found

    def _words(
        self, expression: Expression, function: Function, above: tuple[str, ...]
    ) -> set[str]:
        found: set[str] = set()
        for choice in _split(expression, "or"):
            # Of `condition and word` the word is returned.
            found |= self._word(_split(choice, "and")[-1], function, above)
        return found

    def _word(self, value: Expression, function: Function, above: tuple[str, ...]) -> set[str]:
        if not value:
            return set()
        first = value[0]
        if len(value) == 1 and first[0] == "'":
            return {first[1:-1]}
        if first == "{":
            return self._words(_split(value[1:-1], ",")[0], function, above)
        if value[-2:] == (".", "status") or value[:2] == ("statuses", "["):
            return {STATUS}
        if len(value) == 1:
            found: set[str] = set()
            assigned = function.assigned.pop(first, [])
            for expression in assigned:
                found |= self._words(expression, function, above)
            function.assigned[first] = assigned
            return found
        return self._returned(first, above) if value[1] == "(" else set()

    def _read(self, name: str, at: int) -> int:
        """Read the body of a function from ``at`` to its end, or the whole script."""
        tokens, depth = self._tokens, 0
        function = self.functions[name] = Function()
        while at < len(tokens):
            token = tokens[at]
            if token == "function":
                inner = tokens[at + 1] if tokens[at + 1] != "(" else f"{name}/{at}"
                # What the loader puts around a script is the script itself.
                wraps = tokens[max(0, at - 2) : at] == ["return", "("]
                at = self._read_wrapped(name, at) if wraps else self._read(inner, at + 1)
                continue
            if token in _OPENING:
                depth += 1
            elif token in _CLOSING:
                depth -= 1
                if depth < 0:
                    return at + 1
            elif token == "return" and tokens[at + 1 : at + 3] != ["(", "function"]:
                function.returned.append(self._expression(at + 1)[0])
            elif token == "=":
                self._assign(function, at)
            at += 1
        return at

    def _read_wrapped(self, name: str, at: int) -> int:
        outer = self.functions[name]
        at = self._read(name, at + 1)
        inner = self.functions[name]
        outer.returned += inner.returned
        outer.assigned |= inner.assigned
        self.functions[name] = outer
        return at

    def _assign(self, function: Function, at: int) -> None:
        """Note the values of `a, b = x, y` and of `a[...] = x`."""
        names, place = [], at - 1
        if self._tokens[place] == "]":
            while self._tokens[place] != "[":
                place -= 1
            names = [self._tokens[place - 1]]
        else:
            while True:
                names.insert(0, self._tokens[place])
                if self._tokens[place - 1] != ",":
                    break
                place -= 2
        values = _split(self._expression(at + 1)[0], ",")
        for name, value in zip(names, values, strict=False):
            function.assigned.setdefault(name, []).append(value)

    def _expression(self, at: int) -> tuple[Expression, int]:
        """Values up to the end of the statement: where two operands follow each other."""
        start, depth, before = at, 0, ","
        while at < len(self._tokens):
            token = self._tokens[at]
            if depth == 0 and (token in _ENDS or token in ("local", "return", "if", "for", ";")):
                break
            if depth == 0 and _is_operand(token) and (_is_operand(before) or before in ")}]"):
                break
            if token == "function":
                return (), at
            depth += (token in _BRACKETS) - (token in _BRACKETS.values())
            if depth < 0:
                break
            before, at = token, at + 1
        return tuple(self._tokens[start:at]), at


def _is_operand(token: str) -> bool:
    return token not in ("and", "or", "not") and (token[0].isalnum() or token[0] in "_'\"")


def _split(expression: Sequence[str], separator: str) -> list[Expression]:
    return list(_parts(expression, separator))


def _parts(expression: Sequence[str], separator: str) -> Iterator[Expression]:
    part: list[str] = []
    depth = 0
    for token in expression:
        depth += (token in _BRACKETS) - (token in _BRACKETS.values())
        if depth == 0 and token == separator:
            yield tuple(part)
            part = []
        else:
            part.append(token)
    yield tuple(part)
