"""Which parameters can stand for all params of a delivery."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, NewType, Optional, TypedDict, Union

import pytest

from flowforge.model.handlers.annotation import may_be_mapping

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from decimal import Decimal as Money

Order = NewType("Order", dict[str, Any])


class Fields(TypedDict):
    """As users describe their params."""

    order_id: int


class Handlers:
    """Annotations that are text here, as in modules with ``from __future__ import annotations``."""

    def bare(self, data): ...  # type: ignore[no-untyped-def]
    def anything(self, data: Any) -> None: ...
    def plain(self, data: dict) -> None: ...  # type: ignore[type-arg]
    def read_only(self, data: Mapping[str, Any]) -> None: ...
    def fields(self, data: Fields) -> None: ...
    def ordered(self, data: OrderedDict[str, Any]) -> None: ...
    def maybe(self, data: dict[str, Any] | None) -> None: ...
    def spelled(self, data: Optional[dict[str, Any]]) -> None: ...  # noqa: UP045
    def either(self, data: Union[int, Mapping[str, Any]]) -> None: ...  # noqa: UP007
    def noted(self, data: Annotated[dict[str, Any], "all of it"]) -> None: ...
    def named(self, data: Order) -> None: ...
    def for_checkers(self, data: MutableMapping[str, Any]) -> None: ...

    def number(self, data: int) -> None: ...
    def text(self, data: str | None) -> None: ...
    def listed(self, data: list[dict[str, Any]]) -> None: ...
    def money(self, data: Money) -> None: ...
    def odd(self, data: 3 + 4) -> None: ...  # type: ignore[valid-type]


def takes(function: Callable[..., object]) -> bool:
    return may_be_mapping(inspect.signature(function).parameters["data"], function)


@pytest.mark.parametrize(
    "name",
    [
        "bare", "anything", "plain", "read_only", "fields", "ordered", "maybe", "spelled", "either",
        "noted", "named", "for_checkers",
    ],
)  # fmt: skip
def test_a_mapping_can_be_all_params(name: str) -> None:
    """So can what has no annotation, and what only type checkers import, by its name."""
    assert takes(getattr(Handlers, name))


@pytest.mark.parametrize("name", ["number", "text", "listed", "money", "odd"])
def test_another_type_cannot(name: str) -> None:
    """A number that was not sent must not become the dict of what was."""
    assert not takes(getattr(Handlers, name))


def test_an_annotation_may_be_an_object() -> None:
    """Modules without the future import have types in place of text."""

    def number(data: Any) -> None: ...

    number.__annotations__["data"] = int
    assert not takes(number)
    number.__annotations__["data"] = dict[str, int]
    assert takes(number)
