"""Flows with rows that are poison until somebody mends them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowforge import ErrorHandler, Flow, Join, Routine, routine
from tests.integration.flows import wait_for


@routine(events={"order": ["order_id", "amount"]})
def fetch(self: Any, amounts: list[Any], gate: str = "") -> None:
    if gate:
        wait_for(gate)
    for number, amount in enumerate(amounts, start=1):
        self.emit("order", order_id=number, amount=amount, card=f"card-{number}")


class Charge(Routine):
    """Refuses what is not above zero."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.charge, secret=["card"])
        self.define_event("charged", ["order_id", "amount"])

    def charge(self, order_id: int, amount: int, card: str) -> None:
        if amount <= 0:
            raise ValueError(f"{amount} is no amount")
        self.emit("charged", order_id=order_id, amount=amount)


class Total(Routine):
    """Adds up what was charged, when all is charged."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.add, join=Join.all())
        self.define_event("total")

    def add(self, items: list[dict[str, Any]]) -> None:
        self.emit("total", orders=len(items), amount=sum(item["paid"] for item in items))


@routine(events=["done"])
def hold(gate: str) -> dict[str, str]:
    Path(f"{gate}.held").touch()
    wait_for(gate)
    return {"gate": gate}


def _orders(flow_id: str) -> Flow:
    flow = Flow(flow_id)
    flow.add_routine(fetch, "fetch")
    flow.add_routine(Charge, "charge")
    flow.add_routine(Total, "total")
    flow.connect("fetch", "order", "charge", "input")
    flow.connect("charge", "charged", "total", "input", {"amount": "paid"})
    return flow


#: A poison row fails the job.
orders = _orders("orders")

#: A poison row is retried in five minutes.
patient = _orders("patient")
patient.set_error_handler(ErrorHandler("retry", max_retries=5, retry_delay=300))

holding = Flow("holding")
holding.add_routine(hold, "hold")


class Merged(Routine):
    """Sees all deliveries so far."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.see, merge_strategy="append", secret=["pin"])
        self.define_event("seen")

    def see(self, n: list[int], pin: list[str]) -> None:
        self.emit("seen", n=n, pins=len(pin))


@routine(events=["row"])
def rows(self: Any, numbers: list[int], pad: str = "") -> None:
    if not numbers:
        raise ValueError("there are no rows")
    for number in numbers:
        self.emit("row", n=number, pin=f"pin-{number}", pad=pad)


#: Keeps what its handlers were given.
keeping = Flow("keeping", keep_inputs=True)
keeping.add_routine(rows, "rows")
keeping.add_routine(Merged, "merged")
keeping.connect("rows", "row", "merged", "input")


@routine(events=["child"])
def begin(self: Any, amounts: list[int]) -> None:
    self.start(orders, "fetch", {"amounts": amounts}, event="child")


#: Its only routine starts a child job.
nested = Flow("nested")
nested.add_routine(begin, "begin")
