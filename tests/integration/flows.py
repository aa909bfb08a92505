"""Routines that the workers of these tests import (``FLOWFORGE_IMPORTS``).

Handlers tell what they did by their emissions or in files (``log``), and wait for files to appear
(``gate``), so that a test decides when they go on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from celery import current_task

from flowforge import ErrorHandler, Flow, Routine, routine
from tests.integration.notes import note

#: Seconds after which a handler gives up waiting for its gate: the test is over by then.
GATE_LIMIT = 60.0

#: One value of every type that a payload may hold beyond JSON's.
RICH = {
    "moment": datetime(2013, 1, 1, 5, 15, tzinfo=UTC),
    "day": date(2013, 1, 1),
    "price": Decimal("12.50"),
    "key": UUID(int=7),
    "raw": b"\x00\xff",
    "invocations": {"a", "b"},
    "pair": (1, "two"),
    "nothing": None,
    "huge": 2**70,
}


def wait_for(gate: str) -> None:
    """Return when the file is there."""
    deadline = time.monotonic() + GATE_LIMIT
    while not Path(gate).exists() and time.monotonic() < deadline:
        time.sleep(0.01)


class FlakyError(Exception):
    """What a routine raises that may succeed the next time."""


class One(Routine):
    """The common case: one slot, ``input``, handled by ``go``; one event, ``output``."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("output")

    # ``*_``, which is never given, lets subclasses name the params that they need.
    def go(self, *_: Any, **params: Any) -> None:
        self.emit("output", **params)


# --- shapes of flows ---------------------------------------------------------------------


class Countdown(One):
    """Calls itself ``n`` times."""

    def __init__(self) -> None:
        super().__init__()
        self.define_event("next", ["n"])

    def go(self, n: int) -> None:
        if n > 0:
            self.emit("next", n=n - 1)
        else:
            self.emit("output", n=n)


class Seen(Countdown):
    """Tells of each call what Celery has of its task: where it comes from, and its headers."""

    def go(self, n: int) -> None:
        request = current_task.request
        self.emit("output", origin=request.origin, headers=request.headers)
        if n > 0:
            self.emit("next", n=n - 1)


class Fan(One):
    """Emits the numbers below ``count``, each together with what else it was given."""

    def go(self, count: int, **rest: Any) -> None:
        for number in range(count):
            self.emit("output", number=number, count=count, **rest)


class Square(One):
    """Notes each number, and squares it."""

    def go(self, number: int, count: int, log: str = "", pause: float = 0.0) -> None:
        if log:
            note(log, number)
        if pause:
            time.sleep(pause)
        self.emit("output", number=number, square=number * number, count=count)


class Collect(Routine):
    """Joins squares in a slot that appends; emits when the last has come."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("squares", handler=self.take, merge_strategy="append")
        self.define_event("output")

    def take(self, number: list[int], square: list[int], count: list[int]) -> None:
        self.increment_stat(f"length {len(number)}")
        if len(number) == count[0]:
            self.emit("output", numbers=sorted(number), total=sum(square))


def add_up(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge strategy of Tally."""
    return {
        "seen": old.get("seen", 0) + 1,
        "total": old.get("total", 0) + new["square"],
        "count": new["count"],
    }


class Tally(Routine):
    """Adds squares up through a merge function."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("squares", handler=self.take, merge_strategy=add_up)
        self.define_event("output")

    def take(self, seen: int, total: int, count: int) -> None:
        if seen == count:
            self.emit("output", total=total)


class Router(Routine):
    """Sends a number one way or the other."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("even", ["number"])
        self.define_event("odd", ["number"])

    def go(self, number: int) -> None:
        self.emit("odd" if number % 2 else "even", number=number)


class Submits(One):
    """Submits a job that runs on ``queue``, and waits for nothing."""

    def go(self, queue: str) -> None:
        flow = Flow()
        flow.add_routine(One, "it", queue=queue)
        self.emit("output", job_id=flow.execute("it", {"from": os.getpid()}).job_id)


class Entered(Routine):
    """Starts at its own ``__call__``, although it has slots."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("left", handler=self.note_left)
        self.define_slot("right", handler=self.note_right)
        self.define_event("output")

    def __call__(self, name: str) -> None:
        self.emit("output", entered=name)

    def note_left(self) -> None: ...

    def note_right(self) -> None: ...


class Triggered(Routine):
    """Starts at its slot ``trigger``; the other slot's data is there to be asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("trigger", handler=self.begin)
        self.define_slot("data", handler=self.finish)
        self.define_event("fed", ["value"])
        self.define_event("output")

    def begin(self, value: int) -> None:
        self.emit("fed", value=value)

    def finish(self, value: int) -> None:
        self.emit("output", value=value, last=self.slot_data("trigger")["value"])


@routine
def double(n: int) -> dict[str, int]:
    """A plain function: what it returns is emitted."""
    return {"n": n * 2}


@routine(events=["small", "large"])
def sift(self: Routine, n: int) -> None:
    """A function that chooses among its events."""
    self.emit("large" if n > 10 else "small", n=n)


class Elsewhere(One):
    """Runs on a queue of its own."""

    queue = "other"


class Held(One):
    """Goes to a queue that nobody consumes, until a test does something about it."""

    queue = "nobody"


class Typed(One):
    """Emits every type, and checks what comes back."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("back", handler=self.check)
        self.define_slot("trigger", handler=self.begin)
        self.define_event("values")

    def begin(self) -> None:
        self.emit("values", **RICH)

    def check(self, **values: Any) -> None:
        kinds = {name: type(value).__name__ for name, value in values.items()}
        self.emit("output", same=values == RICH, kinds=kinds)


class Counting(One):
    """Keeps stats, and forgets what it sets on itself."""

    setups = 0

    def setup(self) -> None:
        self.setups += 1

    def go(self, amount: int) -> None:
        fresh = "mark" not in vars(self)
        self.mark = amount
        self.increment_stat("amount", amount)
        self.increment_stat("calls")
        self.set_stat("latest", {"amount": amount})
        self.emit("output", fresh=fresh, setups=self.setups)


class Secretive(Routine):
    """Takes a password, which neither history nor errors may show."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.log_in, secret=["password"])

    def log_in(self, user: str, password: str) -> None:
        if user == "eve":
            raise PermissionError(f"{user} may not use {password}")


# --- failing -----------------------------------------------------------------------------


class Flaky(One):
    """Fails ``failures`` times, and notes every attempt with its time."""

    def go(self, failures: int, log: str = "", number: int = 0) -> None:
        if log:
            note(log, f"{number}:{self.attempt}")
        self.emit("output", attempt=self.attempt, number=number)
        if self.attempt <= failures:
            raise FlakyError(f"attempt {self.attempt} of {number}")


class Gated(One):
    """Fails as long as its gate does not exist; notes every attempt."""

    def go(self, number: int, gate: str, log: str, fails: int = -1, **_: Any) -> None:
        note(log, number)
        if number == fails and not Path(gate).exists():
            raise FlakyError(f"number {number}")
        self.emit("output", number=number)


class Stubborn(One):
    """As Flaky, with a policy of its own that retries only FlakyError."""

    def __init__(self) -> None:
        super().__init__()
        self.set_error_handler(
            ErrorHandler("retry", 3, 0.1, 2.0, retryable_exceptions=(FlakyError,))
        )

    def go(self, failures: int, wrong: bool = False) -> None:
        if wrong:
            raise KeyError("not retryable")
        if self.attempt <= failures:
            raise FlakyError(f"attempt {self.attempt}")
        self.emit("output", attempt=self.attempt)


class Called(Routine):
    """Fails at its own entry."""

    def __call__(self, kind: str = "value") -> None:
        raise {"value": ValueError, "exit": SystemExit}[kind]("from the entry")


class Forker(One):
    """Forks, as scripts do, and leaves the child by ``sys.exit``."""

    def go(self, code: int) -> None:
        pid = os.fork()
        if pid == 0:
            sys.exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.emit("output", status=status, parent=os.getppid())


class ThreadedEmitter(One):
    """Emits from several threads, more than is kept in memory."""

    def go(self, count: int) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: self.emit("output", number=number), range(count)))


class Leaver(One):
    """Tries to end the worker."""

    def go(self) -> None:
        raise SystemExit("the handler wants to leave")


class Careless(One):
    """Emits what cannot travel."""

    def go(self, what: str) -> None:
        values: dict[str, Any] = {
            "object": {"rows": [{"fine": 1}, {"handle": object()}]},
            "large": "x" * 2_000_000,
        }
        if what == "undeclared":
            self.emit("nowhere")
        self.emit("output", value=values[what])


class Demanding(One):
    """Cannot be called without ``amount``."""

    def go(self, order: int, amount: int) -> None:
        self.emit("output", order=order, amount=amount)


class Poison(One):
    """Takes the process that runs it along, unless its antidote exists."""

    def go(self, antidote: str = "") -> None:
        if not antidote or not Path(antidote).exists():
            os.kill(os.getpid(), signal.SIGKILL)


# --- waiting, pausing, cancelling -----------------------------------------------------------


class Slow(One):
    """Notes that it started and waits for its gate."""

    def go(self, log: str, gate: str, number: int = 0, **_: Any) -> None:
        note(log, f"{os.getpid()}:{self.attempt}:{number}")
        wait_for(gate)
        self.emit("output", number=number, attempt=self.attempt)


class Busy(One):
    """Computes until its gate is open: a greenlet that never lets another one have its turn."""

    def go(self, log: str, gate: str) -> None:
        note(log, "started")
        deadline = time.monotonic() + GATE_LIMIT
        while not Path(gate).exists() and time.monotonic() < deadline:
            pass
        self.emit("output")


class Limited(One):
    """Has half a second: its first attempt hangs until it is ended, and notes that it has heard of
    it. ``more``: seconds that it takes to go on for as long.
    """

    def __init__(self) -> None:
        Routine.__init__(self)
        self.define_slot("input", handler=self.go, timeout=0.5)
        self.define_event("output")

    def go(self, log: str, more: float = 0) -> None:
        note(log, os.getpid())
        if more:
            self.extend(30)
        deadline = time.monotonic() + (more or GATE_LIMIT)
        while (more or self.attempt == 1) and not self.cancelled and time.monotonic() < deadline:
            time.sleep(0.01)
        if self.cancelled:
            note(log, "cancelled")
        self.emit("output", attempt=self.attempt)


class Watchful(One):
    """Works until it is cancelled, then tries to emit all the same."""

    def go(self, log: str) -> None:
        note(log, "started")
        deadline = time.monotonic() + GATE_LIMIT
        while not self.cancelled and time.monotonic() < deadline:
            time.sleep(0.01)
        note(log, "cancelled" if self.cancelled else "ran on")
        self.emit("output")


class HalfWay(One):
    """Stops half-way when it is told that nothing counts any more, and tidies up for a while."""

    def go(self, log: str, gate: str, mended: str) -> None:
        note(log, "started")
        deadline = time.monotonic() + GATE_LIMIT
        while not Path(mended).exists() and time.monotonic() < deadline:
            if self.cancelled:
                note(log, "cancelled")
                wait_for(gate)
                return
            time.sleep(0.01)
        self.emit("output", done=True)


class Broken(One):
    """Fails until it has been mended, but not before the other one has started."""

    def go(self, log: str, mended: str, **_: Any) -> None:
        wait_for(log)
        if not Path(mended).exists():
            raise ValueError("broken")


class SlowSetup(One):
    """Opens something that takes its time."""

    def setup(self) -> None:
        note(self.get_config("log"), "setup")
        wait_for(self.get_config("gate"))

    def go(self) -> None:
        note(self.get_config("log"), "handled")
        self.emit("output")


def merge_at_gate(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Merge strategy of SlowMerge."""
    note(new["log"], "merging")
    wait_for(new["gate"])
    return new


class SlowMerge(Routine):
    """Its merge function waits for the gate of the delivery."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go, merge_strategy=merge_at_gate)
        self.define_event("output")

    def go(self, log: str) -> None:
        note(log, "handled")
        self.emit("output")


class SlowBuild(One):
    """Is built slowly where ``SLOW_BUILD`` names a gate: a class that reads a model, say."""

    def __init__(self) -> None:
        super().__init__()
        gate = os.environ.get("SLOW_BUILD")
        if gate is not None:
            note(f"{gate}.log", "building")
            wait_for(gate)


class Approval(One):
    """Pauses its own job the first time it is called, and reads what the resume left."""

    def __init__(self) -> None:
        super().__init__()
        self.define_event("again")

    def go(self, how: str, asked: bool = False) -> None:
        if asked:
            self.emit("output", checkpoint=self.checkpoint)
        else:
            pauser = self.job if how == "job" else approval
            pauser.pause(
                reason=f"asked by the {how}", checkpoint={"step": 1, "at": date(2013, 1, 1)}
            )
            self.emit("again", how=how, asked=True)


#: Workers use it to pause "the running job" from inside a handler.
approval = Flow("approval")
approval.add_routine(Approval(), "approval")
approval.connect("approval", "again", "approval", "input")


# --- flows ---------------------------------------------------------------------------------


def single(part: Routine | type[Routine], flow_id: str | None = None) -> Flow:
    """A flow of one routine, ``it``."""
    flow = Flow(flow_id)
    flow.add_routine(part, "it")
    return flow


def half_way() -> Flow:
    """One emission to two routines: the one fails the job while the other works."""
    flow = Flow()
    flow.add_routine(One, "begin")
    for name, part in (("broken", Broken), ("half_way", HalfWay)):
        flow.add_routine(part, name)
        flow.connect("begin", "output", name, "input")
    return flow


def slow_setup(log: str, gate: str) -> Flow:
    part = SlowSetup()
    part.set_config(log=log, gate=gate)
    return single(part)


def countdown() -> Flow:
    flow = single(Countdown, "countdown")
    flow.connect("it", "next", "it", "input")
    return flow


def squares(joins: type[Routine] | None = Collect) -> Flow:
    """fan -> square (-> join)"""
    flow = Flow("squares")
    flow.add_routine(Fan, "fan")
    flow.add_routine(Square, "square")
    flow.connect("fan", "output", "square", "input")
    if joins is not None:
        flow.add_routine(joins, "join")
        flow.connect("square", "output", "join", "squares")
    return flow


def slow_then_echo(flow_id: str | None = None) -> Flow:
    """A handler that waits for its gate, and one that follows it."""
    flow = Flow(flow_id)
    flow.add_routine(Slow, "slow")
    flow.add_routine(One, "echo")
    flow.connect("slow", "output", "echo", "input")
    return flow


def fan_of(part: Routine | type[Routine], flow_id: str | None = None) -> Flow:
    """fan -> it"""
    flow = Flow(flow_id)
    flow.add_routine(Fan, "fan")
    flow.add_routine(part, "it")
    flow.connect("fan", "output", "it", "input")
    return flow
