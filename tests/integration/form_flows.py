"""A flow whose entry has params of all kinds, for the form that starts it."""

from __future__ import annotations

from typing import Any, Literal

from flowforge import Flow, Routine, routine


class Order(Routine):
    """Tells what it was given, but for its card."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.take, secret=["card"])
        self.define_event("taken")

    def take(
        self,
        order_id: int,
        card: str,
        customer: str,
        amount: float = 1.5,
        gift: bool = False,
        currency: Literal["EUR", "USD"] = "EUR",
        tags: list[str] | None = None,
        **more: Any,
    ) -> None:
        self.emit(
            "taken", order_id=order_id, digits=len(card), customer=customer, amount=amount,
            gift=gift, currency=currency, tags=tags, more=more,
        )  # fmt: skip


@routine
def ship(order_id: int = 0, **more: Any) -> dict[str, int]:
    return {"shipped": order_id}


checkout = Flow("checkout")
checkout.add_routine(Order, "order")
checkout.add_routine(ship, "ship")
checkout.connect("order", "taken", "ship", "input")
