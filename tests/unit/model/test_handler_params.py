"""What forms are told of handlers: names, kinds, defaults, and nothing that could be a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from flowforge import Routine, routine
from flowforge.codec.binary import packb, unpackb
from flowforge.model.handler_params import HandlerParam, ParamKind, from_record, of_class, record

if TYPE_CHECKING:
    from decimal import Decimal as Money


class Order(Routine):
    def handle(
        self, order_id: int, amount: float, card: str = "4242", gift: bool = False,
        currency: Literal["EUR", "USD"] = "EUR", tags: list[str] | None = None,
        address: dict[str, str] | None = None, mark: int | str = 3, price: Money | None = None,
    ) -> None: ...  # fmt: skip

    def whole(self, order: dict[str, Any]) -> None: ...

    def open(self, n: int, **more: Any) -> None: ...

    def bare(self, n, /, m=None): ...  # type: ignore[no-untyped-def]

    def _private(self, n: int) -> None: ...

    @staticmethod
    def helper(n: int) -> None: ...


@routine
def plain(n: int) -> None: ...


@routine(events=["out"])
def bound(self: Routine, n: int) -> None: ...


def params(name: str) -> dict[str, HandlerParam]:
    return {one.name: one for one in of_class(Order)[name].params}


def test_public_methods_are_told_of() -> None:
    """Only what can be a handler of the class itself."""
    assert sorted(of_class(Order)) == ["bare", "handle", "open", "whole"]


def test_kinds_follow_the_annotations() -> None:
    """What they do not say plainly is of any kind; a name that type checkers alone have spoils
    only the kinds."""
    assert {one.kind for one in params("handle").values()} == {ParamKind.ANY}
    Order.handle.__annotations__.pop("price")
    found = params("handle")
    kinds = {name: one.kind.value for name, one in found.items()}
    assert kinds == {
        "order_id": "integer", "amount": "number", "card": "text", "gift": "boolean",
        "currency": "text", "tags": "list", "address": "object", "mark": "any", "price": "any",
    }  # fmt: skip
    assert list(found["currency"].choices) == ["EUR", "USD"]
    assert [name for name, one in found.items() if one.required] == ["order_id", "amount"]
    assert [name for name, one in found.items() if one.nullable] == ["tags", "address", "price"]


def test_a_text_that_is_a_default_is_not_told() -> None:
    """It may be a secret; numbers and truth values are."""
    found = params("handle")
    assert found["card"].default is None
    assert (found["gift"].default, found["mark"].default) == (False, 3)


def test_a_dict_takes_everything() -> None:
    """A handler that gets all params in one, and one with further names."""
    found = of_class(Order)
    assert found["whole"] == ((), True)
    assert found["open"].open
    assert [one.name for one in found["bare"].params] == ["n", "m"]


def test_functions_are_routines() -> None:
    """With and without the routine as their first parameter."""
    for cls in (plain, bound):
        (param,) = of_class(cls)["handle"].params
        assert param == HandlerParam("n", ParamKind.INTEGER, True)


def test_it_travels() -> None:
    """And a kind of a later release is any kind here."""
    packed = unpackb(packb(record(of_class(Order))))
    found = from_record(packed)["handle"]
    assert [one.name for one in found.params] == list(params("handle"))
    packed["handle"][0][0][1] = "quaternion"
    assert from_record(packed)["handle"].params[0].kind is ParamKind.ANY
