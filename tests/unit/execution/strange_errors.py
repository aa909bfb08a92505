"""Exceptions and params that are hard to write down, and what has to bear them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery.exceptions import WorkerShutdown, WorkerTerminate

from flowforge.errors import NewerRecordError
from flowforge.execution.attempt import NotStartedError


class ExitingError(Exception):
    """An error whose text ends the process that asks for it."""

    def __str__(self) -> str:
        raise SystemExit(3)


class PretendingError(Exception):
    """An error that does not say what it is either."""

    def __str__(self) -> str:
        raise KeyboardInterrupt

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise RuntimeError("no class")

    @property
    def __traceback__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no traceback")


class Shouting(str):
    """A text that does not let itself be encoded."""

    __slots__ = ()

    def encode(self, *options: Any) -> bytes:
        raise RuntimeError("no bytes")


class ShoutingError(Exception):
    """An error whose text is no plain one."""

    def __str__(self) -> str:
        return Shouting("loud")


class ClosedError(Exception):
    """An error of which no attribute can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise SystemExit(4)


class CausedError(Exception):
    """An error whose cause interrupts the process that asks for it."""

    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise KeyboardInterrupt


class Answering(type):
    """A class of classes of which nothing can be asked."""

    def __instancecheck__(cls, instance: object) -> bool:
        raise SystemExit(1)

    def __getattribute__(cls, name: str) -> Any:
        raise SystemExit(2)

    def __eq__(cls, other: object) -> bool:
        raise SystemExit(3)

    __hash__ = type.__hash__


def answering() -> Exception:
    """An error whose class ends the process that asks it for its name, as pytest would here."""
    return Answering("AnsweringError", (Exception,), {})("x")  # type: ignore[no-any-return]


class ReducedError(Exception):
    """An error that ends the process that pickles it."""

    def __reduce__(self) -> Any:
        raise SystemExit(3)


class ReplacedError(Exception):
    """An error that is another one when it arrives in another process."""

    def __reduce__(self) -> Any:
        return SystemExit, (3,)


class EmptyGroup(ExceptionGroup[Exception]):
    """A group that ends the process that looks for what is in it."""

    @property
    def exceptions(self) -> Any:
        raise SystemExit(5)


class FixedError(Exception):
    """An error that ends the process that sets something of it."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise SystemExit(5)


class HollowError(Exception):
    """An error that has no truth."""

    def __bool__(self) -> bool:
        raise SystemExit(5)


class DocoptExit(SystemExit):
    """What a library of command lines ends a program by."""


class GreenletExit(Exception):  # noqa: N818 - the library's name
    """A class of a user's that bears the name of the greenlet library's."""


def noted() -> Exception:
    error = ValueError("x")
    error.__notes__ = 5  # type: ignore[assignment]
    return error


def caused_by(cause: BaseException) -> Exception:
    error = ValueError("x")
    error.__cause__ = cause
    return error


def chained() -> Exception:
    error: Exception = ValueError("the first")
    for number in range(3000):
        outer = ValueError(number)
        outer.__cause__ = error
        error = outer
    return error


def grouped() -> Exception:
    error = ExceptionGroup[Exception]("the innermost", [ValueError("x")])
    for _ in range(600):
        error = ExceptionGroup("more", [error])
    return error


STRANGE: dict[str, Callable[[], BaseException]] = {
    "the text exits": ExitingError,
    "nothing can be asked of it": PretendingError,
    "the text is a subclass of str": ShoutingError,
    "nothing of it can be read": lambda: ClosedError("x"),
    "its cause interrupts": lambda: CausedError("x"),
    "its class answers nothing": answering,
    "it exits when it is pickled": lambda: ReducedError("x"),
    "it becomes an exit when it is unpickled": lambda: ReplacedError("x"),
    "a group that exits": lambda: EmptyGroup("g", [ValueError("x")]),
    "it exits when it is changed": lambda: FixedError("x"),
    "it has no truth": lambda: HollowError("x"),
    "an argument that exits": lambda: ValueError(ReducedError("x")),
    "a cause that exits": lambda: caused_by(ClosedError()),
    "a library's exit": lambda: DocoptExit("Usage: prog FILE"),
    "a GreenletExit of one's own": lambda: GreenletExit("mine"),
    "Celery's shutdown": lambda: WorkerShutdown(0),
    "Celery's termination": lambda: WorkerTerminate(1),
    "a newer record": lambda: NewerRecordError("upgrade the handler"),
    "a handler that was not started": lambda: NotStartedError("x"),
    "a syntax error at no line": lambda: SyntaxError("m", ("f.py", 1, "x", "text")),  # type: ignore[arg-type]
    "a syntax error of odd offsets": lambda: SyntaxError("m", ("f", -9, -9, "t", -5, 10**30)),
    "notes that are no list": noted,
    "three thousand causes": chained,
    "a deep group": grouped,
    "half a character in the name": lambda: type("E", (Exception,), {"__qualname__": "\ud800"})(
        "x"
    ),
    "a module that is no text": lambda: type("E", (Exception,), {"__module__": 5})("x"),
    "a long name": lambda: type("E" * 1_000_000, (Exception,), {})("x"),
    "a long message": lambda: ValueError("x" * 20_000_000),
    "an int beyond Python's digits": lambda: ValueError(10**5000),
    "half a character": lambda: ValueError("caf\udce9"),
}


def nested(levels: int, innermost: Any) -> Any:
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


UNSEARCHABLE: dict[str, Any] = {
    "an int beyond Python's digits": 10**5000,
    "such an int in lists": [1, [-(10**4400)]],
    "one mebibyte under many lists": nested(400, "x" * 1_000_000),
}
