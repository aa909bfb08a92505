"""Flows for the tests in a browser."""

from __future__ import annotations

import os
import time
from pathlib import Path

from flowforge import ErrorHandler, Flow, Join, Limit, Routine, routine


@routine(events={"row": ["n", "path"]})
def read(self: Routine, rows: int, path: str) -> None:
    for n in range(rows):
        self.emit("row", n=n, path=path)


@routine
def work(n: int, path: str) -> dict[str, int]:
    """The first row waits until the file is there; it writes its process beside it."""
    if n == 0:
        Path(f"{path}.held").write_text(str(os.getpid()))
        while not Path(path).exists():
            time.sleep(0.02)
    return {"n": n}


class Total(Routine):
    """Adds all up."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.add, join=Join.all())
        self.define_event("total", ["total"])

    def add(self, items: list[dict[str, int]]) -> None:
        self.emit("total", total=sum(item["n"] for item in items))


@routine
def fail(amount: int) -> None:
    raise ValueError(f"{amount} is more than the card allows")


orders = Flow("orders")
orders.add_routine(read, "read")
orders.add_routine(work, "work")
orders.add_routine(Total(), "total")
orders.connect("read", "row", "work", "input")
orders.connect("work", "output", "total", "input")

failing = Flow("failing")
failing.add_routine(fail, "charge")


class Begin(Routine):
    """Starts a job of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", self.begin)
        self.define_event("ended", ["job_id", "outputs", "failure"])

    def begin(self, amount: int) -> None:
        params = {"amount": amount}
        self.start(failing, "charge", params, event="ended", on_failure="continue")


above = Flow("above")
above.add_routine(Begin(), "begin")


#: Names that would be something else in HTML, or turn the line around.
HOSTILE = "<script>alert(1)</script><b onclick=x>\"'&\u202e" + "\U0001f600" * 32

#: The same as a page shows it: what turns a line around is a text there.
SEEN = HOSTILE.replace("\u202e", "\\x202e")


class Ask(Routine):
    """Asks for an approval, and says what was answered."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", self.ask)
        self.define_slot("decision", self.decided)
        self.define_event("asked", ["url"])
        self.define_event("decided", ["approved", "note"])

    def ask(self) -> None:
        properties = {"approved": {"type": "boolean"}, "note": {"type": "string"}}
        form = {
            "type": "object", "title": f"Invoice 7 {HOSTILE}", "properties": properties,
            "description": f"250 EUR to {HOSTILE}", "required": ["approved"],
        }  # fmt: skip
        ticket = self.expect("decision", key=HOSTILE, within=3600, form=form, assign=[HOSTILE])
        self.emit("asked", url=ticket.url)

    def decided(self, approved: bool, note: str = "") -> None:
        self.emit("decided", approved=approved, note=note)


asking = Flow("asking")
asking.add_routine(Ask(), "ask")


@routine(events={"order": ["n"]})
def fetch(self: Routine, orders: int) -> None:
    for n in range(orders):
        self.emit("order", n=n)


@routine(events={"priced": ["n"]})
def price(n: int) -> dict[str, int]:
    time.sleep(0.005)
    return {"n": n}


@routine(events={"charged": ["n"]})
def charge(n: int) -> dict[str, int]:
    """One in ten is told to come again."""
    time.sleep(0.02)
    if n % 10 == 3:
        raise ConnectionError("the bank does not answer")
    return {"n": n}


@routine
def mail(n: int) -> None:
    time.sleep(0.02)


class Report(Total):
    """Waits until all are charged."""


#: Long enough to be seen at work.
shop = Flow("shop")
for name, step in {
    "fetch": fetch, "price": price, "stock": price, "charge": charge, "ship": mail, "mail": mail,
}.items():  # fmt: skip
    shop.add_routine(step, name)
shop.add_routine(Report(), "report")
shop.connect("fetch", "order", "price", "input")
shop.connect("fetch", "order", "stock", "input")
shop.connect("price", "priced", "charge", "input")
shop.connect("stock", "priced", "ship", "input")
shop.connect("charge", "charged", "mail", "input")
shop.connect("charge", "charged", "report", "input")
shop.set_error_handler(ErrorHandler("retry", max_retries=3, retry_delay=60))


hostile = Flow(HOSTILE)
hostile.add_routine(fail, HOSTILE)


@routine(events={"call": ["n"]})
def many(self: Routine, number: int) -> None:
    for n in range(number):
        self.emit("call", n=n % 2)


#: At most three calls an hour for each number.
vendor = Limit("vendor", per="n", running=1, rate=2, period=3600, burst=2)


@routine(limit="vendor")
def call(n: int) -> None:
    time.sleep(0.02)


#: Calls a vendor, as far as the limit lets it.
limited = Flow("limited")
limited.add_routine(many, "many")
limited.add_routine(call, "call")
limited.connect("many", "call", "call", "input")
