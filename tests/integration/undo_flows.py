"""Flows whose steps can be undone. ``Trip`` keeps what stands at the vendors in a file."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from flowforge import ErrorHandler, Flow, HookEvent, Join, Routine, on_event

#: Where the worker's hook writes what it is told.
NOTES = os.environ.get("TEST_UNDO_NOTES", "")


def note(path: str, line: str) -> None:
    with Path(path).open("a") as file:
        file.write(line + "\n")


def noted(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []


class Book(Routine):
    """Books one thing; its ``undo`` needs the booking's number."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.book, undo=self.release, secret=["card"])
        self.define_event("output")

    def book(self, file: str, trip: int, card: str = "") -> None:
        what = self.get_config("what")
        if self.get_config("slow"):
            note(file, f"books {what}")
            while not self.cancelled:
                time.sleep(0.02)
        note(file, f"{what} {trip}")
        self.undo_with(number=f"{what}-{trip}")
        self.emit("output", file=file, trip=trip)

    def release(self, file: str, number: str, card: str = "") -> None:
        if self.get_config("refuses") and not (Path(file).parent / "open").exists():
            raise RuntimeError(f"cannot release {number} of card {card}")
        note(file, f"undo {number}" + (f" {card}" if card else ""))


class Halting(Book):
    """Its undo halts until a file ``go`` lies beside that of the vendors."""

    def release(self, file: str, number: str, card: str = "") -> None:
        note(file, f"halts {number}")
        while not Path(file).with_name("go").exists():
            time.sleep(0.02)
        super().release(file, number, card)


class Fail(Routine):
    """Fails its job."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.fail)

    def fail(self, file: str, trip: int) -> None:
        raise ValueError(f"no way to go on with trip {trip}")


class Wait(Routine):
    """Waits until its job ends."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.wait)

    def wait(self, file: str, trip: int) -> None:
        note(file, "waits")
        while not self.cancelled:
            time.sleep(0.02)


class Emits(Routine):
    """An undo that emits, which no undo can."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go, undo=self.emits)
        self.define_event("output")

    def go(self, **params: Any) -> None:
        self.emit("output", **params)

    def emits(self) -> None:
        self.emit("output")


class Asks(Routine):
    """An undo that expects an answer, which no undo can, and one that lacks what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go, undo=self.asks)
        self.define_event("output")

    def go(self, file: str, trip: int) -> None:
        self.emit("output", file=file, trip=trip)

    def asks(self, number: str = "") -> None:
        self.expect("input")


class Lacks(Asks):
    """Its undo lacks what it takes."""

    def asks(self, number: str) -> None: ...  # type: ignore[override]


class Gather(Routine):
    """Joins what was booked, and can undo what it did with it."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.add, join=Join.all(), undo=self.undo_add)
        self.define_event("output")

    def add(self, items: list[dict[str, Any]]) -> None:
        file, trips = items[0]["file"], sorted(item["trip"] for item in items)
        self.undo_with(file=file, trips=trips)
        self.emit("output", file=file, trip=sum(trips))

    def undo_add(self, file: str, trips: list[int]) -> None:
        note(file, f"undo sum of {trips}")


class Spread(Routine):
    """Emits a trip for each number."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.spread)
        self.define_event("output")

    def spread(self, file: str, trips: list[int]) -> None:
        for trip in trips:
            self.emit("output", file=file, trip=trip)


class Tour(Routine):
    """Starts a trip as a child job."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go, undo=self.back)
        self.define_event("ended")

    def go(self, file: str, trip: int) -> None:
        self.start(trips(Wait), "room", {"file": file, "trip": trip}, event="ended")

    def back(self, file: str, trip: int) -> None:
        note(file, f"undo tour {trip}")


def booking(what: str, kind: type[Book] = Book, **config: Any) -> Routine:
    routine = kind()
    routine.set_config(what=what, **config)
    return routine


def trips(
    last: type[Routine] = Fail, refuses: bool = False, slow: bool = False, car: type[Book] = Book
) -> Flow:
    """A room, then a car, then ``last``. ``refuses``: the room is not released."""
    flow = Flow()
    flow.set_error_handler(ErrorHandler("retry", max_retries=1, retry_delay=0.02))
    flow.add_routine(booking("room", refuses=refuses), "room")
    flow.add_routine(booking("car", car, slow=slow), "car")
    flow.add_routine(last, "last")
    flow.connect("room", "output", "car", "input")
    flow.connect("car", "output", "last", "input")
    return flow


if NOTES:

    @on_event("undo.failed")
    def told(event: HookEvent) -> None:
        """Notes the jobs that have failed to undo others."""
        for job_id in event.job_ids:
            note(NOTES, f"{event.type} {job_id} {event.routine_id}")
