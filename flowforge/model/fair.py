"""Fair keys: whose work a job is, so that work of many does not keep that of others waiting."""

from __future__ import annotations

import math
import unicodedata
from typing import NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError

#: Characters of a key, which becomes part of keys of the server.
MOST_KEY = 128

#: How much more often than others a key may have its turn, and how much more seldom.
MOST_WEIGHT = 1000.0
LEAST_WEIGHT = 0.001

#: Control characters, and surrogates, which have no UTF-8 form.
_UNFIT = {"Cc", "Cs"}


class Fair(NamedTuple):
    """A fair key, and how often it has its turn compared with a key of weight 1."""

    key: str
    weight: float

    def text(self) -> str:
        """As it is stored."""
        return f"{self.weight:.6g} {self.key}"


def fair_of(key: object, weight: object) -> Fair | None:
    """The fair key that is meant, None for none. InvalidValueError for what is none."""
    if key is None:
        if weight is not None:
            raise InvalidValueError("weight needs a fair_key: it is how often that has its turn")
        return None
    if not isinstance(key, str) or not 0 < len(key) <= MOST_KEY:
        raise InvalidValueError(
            f"fair_key must be text of 1 to {MOST_KEY} characters, not {shown(key)}"
        )
    if any(unicodedata.category(character) in _UNFIT for character in key):
        raise InvalidValueError(f"fair_key {shown(key)} has a control character")
    return Fair(key, _weight(1 if weight is None else weight))


def _weight(weight: object) -> float:
    if (
        isinstance(weight, bool)
        or not isinstance(weight, (int, float))
        or not math.isfinite(weight)
    ):
        raise InvalidValueError(f"weight must be a number, not {shown(weight)}")
    if not LEAST_WEIGHT <= weight <= MOST_WEIGHT:
        raise InvalidValueError(
            f"weight must be from {LEAST_WEIGHT:g} to {MOST_WEIGHT:g}, not {shown(weight)}"
        )
    return float(weight)


def read_fair(text: str) -> Fair:
    """What ``text`` made; raises for what it did not make."""
    weight, _, key = text.partition(" ")
    return Fair(key, float(weight))
