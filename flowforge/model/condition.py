"""Conditions on params: a table of comparisons, by which a breakpoint chooses where it stops."""

from __future__ import annotations

import operator
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flowforge.codec.masking import HIDDEN
from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError

#: Comparisons with one param, and with all params of a condition.
MOST_TERMS = 20


def _exists(_: object, __: object) -> bool:
    return True


#: What a param, on the left, is compared with. Never called without the param, but for ``exists``.
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda param, value: param in value,
    "contains": lambda param, value: value in param,
    "exists": _exists,
}


@dataclass(frozen=True)
class Term:
    """One comparison of a param."""

    param: str
    comparison: str
    value: Any

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether it does. False where it cannot be compared."""
        if self.comparison == "exists":
            return (self.param in params) is self.value
        compare = COMPARISONS.get(self.comparison)
        if compare is None or self.param not in params:
            return False
        try:
            return bool(compare(params[self.param], self.value))
        except Exception:  # noqa: BLE001 - each type refuses another one in its own way
            return False

    def text(self, secret: Container[str]) -> str:
        """As people read it; ``secret``: params whose values are not told."""
        if self.comparison == "exists":
            return f"{self.param} {'exists' if self.value else 'does not exist'}"
        value = HIDDEN if self.param in secret else shown(self.value)
        return f"{self.param} {self.comparison} {value}"


@dataclass(frozen=True)
class Condition:
    """All of the terms hold; without any, it is always fulfilled."""

    terms: tuple[Term, ...]

    @classmethod
    def of(cls, when: object) -> Condition:
        """The condition of ``{"amount": (">", 100)}``, or of a list of such pairs for a param.

        InvalidValueError for what is none.
        """
        if when is None:
            return cls(())
        if not isinstance(when, Mapping):
            raise InvalidValueError(
                f'when must be a dict such as {{"amount": (">", 100)}}, not {shown(when)}'
            )
        terms = tuple(term for param, asked in when.items() for term in _terms(param, asked))
        if len(terms) > MOST_TERMS:
            raise InvalidValueError(f"when has {len(terms)} comparisons; at most {MOST_TERMS}")
        return cls(terms)

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Whether the params fulfil it."""
        return all(term.holds(params) for term in self.terms)

    def text(self, secret: Container[str] = ()) -> str:
        """As people read it; empty for one that is always fulfilled."""
        return " and ".join(term.text(secret) for term in self.terms)


def _terms(param: object, asked: object) -> Iterator[Term]:
    if not isinstance(param, str):
        raise InvalidValueError(f"when names params by text, not by {shown(param)}")
    for pair in asked if isinstance(asked, list) else [asked]:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2 or pair[0] not in [*COMPARISONS]:
            raise InvalidValueError(
                f"when[{shown(param)}] must be a comparison and a value such as ('>', 100), not "
                f"{shown(pair)}; comparisons: {', '.join(COMPARISONS)}"
            )
        if pair[0] == "exists" and not isinstance(pair[1], bool):
            raise InvalidValueError(f"when[{shown(param)}]: exists takes True or False")
        yield Term(param, *pair)
