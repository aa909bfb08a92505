"""A Celery app with flows, and with receivers of Celery's signals that note what they are told."""

from __future__ import annotations

import json
import os
import time
import traceback
from pathlib import Path
from typing import Any

from billiard.exceptions import Terminated, TimeLimitExceeded, WorkerLostError
from celery import Celery, signals
from celery.exceptions import Ignore, Reject, Retry

import flowforge
from flowforge import Routine
from tests.integration.flows import One
from tests.integration.notes import note

#: The file of the notes, for workers.
NOTES = "TOLD_NOTES"


class UnprintableError(Exception):
    """Ends whoever prints it."""

    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


#: Errors that Celery would act upon, or that would end what runs the task.
ODD = {
    "reject": Reject("no", requeue=True),
    "ignore": Ignore("never mind"),
    "retry": Retry("again", when=1),  # type: ignore[arg-type]
    "lost": WorkerLostError("gone"),
    "terminated": Terminated("ended"),
    "limit": TimeLimitExceeded(1),
    "memory": MemoryError("all used up"),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "unprintable": UnprintableError(),
}


class Raises(One):
    """Raises what it is told to as long as ``attempts`` are not over."""

    def go(self, kind: str = "", attempts: int = 9, **_: Any) -> None:
        if self.attempt <= attempts:
            raise ODD.get(kind) or ValueError(f"refused at attempt {self.attempt}")


class Sleeps(One):
    """Notes that it runs, and sleeps far beyond any limit as long as ``attempts`` are not over."""

    def go(self, log: str, attempts: int = 9) -> None:
        note(log, self.attempt)
        if self.attempt <= attempts:
            time.sleep(60)
        self.emit("output", attempt=self.attempt)


class Overslept(Routine):
    """The same with a timeout of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go, timeout=0.5)
        self.define_event("output")

    def go(self, log: str) -> None:
        note(log, self.attempt)
        if self.attempt == 1:
            time.sleep(60)
        self.emit("output", attempt=self.attempt)


class Prepared(Overslept):
    """Its timeout is shorter than what a receiver of Celery's signals does before it is claimed."""

    def go(self, log: str) -> None:
        note(log, self.attempt)
        self.emit("output", attempt=self.attempt)


class Waits(One):
    """Notes that it runs, and waits for its gate or for the end of its job."""

    def go(self, log: str, gate: str, **_: Any) -> None:
        note(log, os.getpid())
        while not Path(gate).exists() and not self.cancelled:
            time.sleep(0.01)
        note(log, "cancelled" if self.cancelled else "open")


class Limited(Routine):
    """Has a rate limit of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.go)
        self.define_event("output")

    def go(self, number: int, **_: Any) -> None:
        self.emit("output", number=number)


def _tell(signal: str, sender: Any, error: BaseException | None) -> None:
    if NOTES in os.environ:
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        told = {
            "signal": signal,
            "task": sender.name.rpartition(".")[2],
            "type": type(error).__name__,
            "text": str(error),
            "where": frames[-1].name if frames else "",
        }
        note(os.environ[NOTES], json.dumps(told))


@signals.task_prerun.connect
def _prepare(sender: Any = None, **_: Any) -> None:
    if sender.name.endswith(".Prepared"):
        time.sleep(1.2)


@signals.task_failure.connect
def _failed(sender: Any = None, exception: Any = None, **_: Any) -> None:
    _tell("failure", sender, exception)
    raise RuntimeError("what a team's own receiver does wrong must not harm a job")


@signals.task_retry.connect
def _retried(sender: Any = None, reason: Any = None, **_: Any) -> None:
    _tell("retry", sender, reason.exc)


@signals.task_success.connect
def _succeeded(sender: Any = None, **_: Any) -> None:
    _tell("success", sender, None)


def make_app(url: str, prefix: str) -> Celery:
    """The app as workers and producers make it."""
    app = Celery("told", broker=url, set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": f"{prefix}:"}
    return flowforge.install(app, prefix=prefix)


if NOTES in os.environ:
    app = make_app(os.environ["FLOWFORGE_REDIS_URL"], os.environ["FLOWFORGE_PREFIX"])
