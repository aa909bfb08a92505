"""Joins: a slot that collects deliveries and is handled once for all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError, EmissionError
from flowforge.model.error_handler import LONGEST_DELAY
from flowforge.model.names import check_name
from flowforge.model.records import Record, read, read_optional

#: What becomes of a join that is late, or can never be filled.
OTHERWISE = ("fail", "fire")

#: Longest text of a key value.
_LONGEST_KEY = 256


@dataclass(frozen=True, slots=True)
class Join:
    """When the items collected by a slot are complete. Made by ``all``, ``count`` and ``each``.

    ``timeout``: seconds from the first item on. ``otherwise``: ``fail`` (the job fails) or ``fire``
    (the handler gets what is there) when the time is over, or when a count can never be reached
    because nothing is left that could deliver.
    """

    #: Items that complete the join: a number, or the name of the param that holds it; None: all.
    needs: int | str | None = None
    #: Param whose values are joined separately; None: one join for all items.
    key: str | None = None
    #: Seconds from the first item on; None: no limit.
    timeout: float | None = None
    #: ``fail`` or ``fire``.
    otherwise: str = "fail"

    def __post_init__(self) -> None:
        needs = self.needs
        if isinstance(needs, str):
            check_name("the count of a join", needs)
        elif needs is not None and (isinstance(needs, bool) or not _is_count(needs)):
            raise DefinitionError(f"a join counts at least 1 item, not {shown(needs)}")
        if self.key is not None:
            check_name("the key of a join", self.key)
        if self.timeout is not None and not _is_timeout(self.timeout):
            raise DefinitionError(
                f"the timeout of a join is above 0 seconds and at most {LONGEST_DELAY:g}, not "
                f"{shown(self.timeout)}"
            )
        if self.otherwise not in OTHERWISE:
            raise DefinitionError(
                f"otherwise={shown(self.otherwise)} is unknown; known: fail, fire"
            )

    @classmethod
    def all(cls, *, timeout: float | None = None, otherwise: str = "fail") -> Join:
        """Everything that will ever arrive: fires when nothing upstream can deliver any more.

        On a cycle it fires when the job is otherwise quiet. Without any item it does not fire.
        """
        return cls(None, None, timeout, otherwise)

    @classmethod
    def count(
        cls, needs: int | str, *, timeout: float | None = None, otherwise: str = "fail"
    ) -> Join:
        """So many items: a number, or the name of a param of the items; then the next so many."""
        if needs is None:
            raise DefinitionError("Join.count needs a number, or the name of a param")
        return cls(needs, None, timeout, otherwise)

    @classmethod
    def each(
        cls,
        key: str,
        *,
        count: int | str | None = None,
        timeout: float | None = None,
        otherwise: str = "fail",
    ) -> Join:
        """One join for each value of the param ``key``; of all its items, or of ``count``.

        The values are text of at most 256 characters, or whole numbers.
        """
        return cls(count, key, timeout, otherwise)

    @property
    def params(self) -> tuple[str, ...]:
        """The params that every item has to have."""
        needs = (self.needs,) if isinstance(self.needs, str) else ()
        return (*needs, *(() if self.key is None else (self.key,)))

    def mode(self, params: dict[str, Any], where: str, secret: Container[str] = ()) -> str:
        """How the store collects an item: ``j<needed>:<key>``. EmissionError for an unfit item.

        The value of a param that is ``secret`` is not in it: a digest stands for it as a key.
        """
        for name in self.params:
            if name not in params:
                raise EmissionError(f"{where}: the join needs the param {name!r} of every item")
        needs = params[self.needs] if isinstance(self.needs, str) else self.needs or 0
        if isinstance(self.needs, str) and (isinstance(needs, bool) or not _is_count(needs)):
            given = type(needs).__name__ if self.needs in secret else shown(needs)
            raise EmissionError(f"{where}: {self.needs!r} must be a count above 0, not {given}")
        key = "" if self.key is None else _key_text(params[self.key], where)
        if self.key in secret:
            key = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"j{needs}:{key}"

    def serialize(self) -> Record:
        return {
            "needs": self.needs,
            "key": self.key,
            "timeout": self.timeout,
            "otherwise": self.otherwise,
        }

    @classmethod
    def deserialize(cls, data: Record) -> Join:
        where = "a join"
        timeout = data.get("timeout")
        return cls(
            data.get("needs"),
            read_optional(data, "key", str, where),
            None if timeout is None else float(timeout),
            read(data, "otherwise", str, where),
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and value >= 1


def _is_timeout(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 < value <= LONGEST_DELAY  # type: ignore[operator]


def _key_text(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise EmissionError(f"{where}: the key of a join must be text or a whole number")
    text = str(value)
    if len(text) > _LONGEST_KEY:
        raise EmissionError(f"{where}: the key of a join is longer than {_LONGEST_KEY} characters")
    return text
