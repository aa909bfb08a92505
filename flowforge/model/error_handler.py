"""What happens when a handler raises: an immutable policy. Attempts are counted elsewhere."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias, TypeGuard

from flowforge.common.bounded_repr import shown
from flowforge.common.true_attributes import bases_of
from flowforge.errors import (
    CorruptRecordError,
    DefinitionError,
    NotRebuildableError,
    UnknownRoutineClassError,
)
from flowforge.model import registry
from flowforge.model.locate import address_of, find
from flowforge.model.names import check_whole
from flowforge.model.records import Record, read

#: Seconds. Exponential backoff overflows a float; no timer needs to be further away than this.
LONGEST_DELAY = 10 * 365 * 86400.0

#: The address of the class of all that are retryable by default.
_ANY = "builtins:Exception"

Exceptions: TypeAlias = tuple[type[BaseException], ...]


class ErrorStrategy(StrEnum):
    """What becomes of an invocation whose handler has raised."""

    #: The job fails.
    STOP = "stop"
    #: The job goes on without what the invocation emitted; it counts as ``error_continued``.
    CONTINUE = "continue"
    #: It runs again, as often as ``max_retries`` says; then as STOP.
    RETRY = "retry"
    #: As CONTINUE; it counts as ``skipped``.
    SKIP = "skip"

    @classmethod
    def parse(cls, value: ErrorStrategy | str) -> ErrorStrategy:
        """Accept the enum, its name or its value in any case."""
        try:
            return cls(value.lower())
        except (ValueError, AttributeError):
            allowed = ", ".join(repr(strategy.value) for strategy in cls)
            raise DefinitionError(
                f"unknown error strategy {shown(value)}; allowed: {allowed}"
            ) from None


class Decision(NamedTuple):
    """What to do about one failed attempt."""

    action: ErrorStrategy
    #: Seconds until the next attempt; 0.0 unless ``action`` is RETRY.
    delay: float


@dataclass(frozen=True, init=False)
class ErrorHandler:
    """An immutable policy for one routine or a whole flow. Bad values raise ValueError."""

    #: The enum, or its name in any case.
    strategy: ErrorStrategy
    #: Attempts after the first.
    max_retries: int
    #: Seconds before the first retry.
    retry_delay: float
    #: Factor from one delay to the next, at least 1.
    retry_backoff: float
    #: One class or several, at the top level of importable modules. Others act as STOP.
    retryable_exceptions: Exceptions
    #: A mark for readers; nothing depends on it.
    is_critical: bool
    #: Largest fraction (0 to 1) by which chance shortens a delay, so that retries spread out.
    jitter: float
    #: Seconds, the cap on any delay; None: ten years.
    max_delay: float | None

    def __init__(
        self,
        strategy: ErrorStrategy | str = ErrorStrategy.STOP,
        max_retries: int = 3,
        retry_delay: float = 1.0,
        retry_backoff: float = 2.0,
        retryable_exceptions: type[BaseException] | Iterable[type[BaseException]] = (Exception,),
        is_critical: bool = False,
        jitter: float = 0.0,
        max_delay: float | None = None,
    ) -> None:
        # The only writes ever: the dataclass is frozen.
        vars(self).update(
            strategy=ErrorStrategy.parse(strategy),
            max_retries=check_whole("max_retries", max_retries, 0),
            retry_delay=_number("retry_delay", retry_delay, 0.0),
            retry_backoff=_number("retry_backoff", retry_backoff, 1.0),
            retryable_exceptions=_exceptions(retryable_exceptions),
            is_critical=_flag("is_critical", is_critical),
            jitter=_number("jitter", jitter, 0.0, 1.0),
            max_delay=None if max_delay is None else _number("max_delay", max_delay, 0.0),
        )

    def delay(self, retry_number: int, rand: Callable[[], float] = random.random) -> float:
        """Return the seconds before retry ``retry_number``, counted from 1. Never overflows."""
        longest = LONGEST_DELAY if self.max_delay is None else min(self.max_delay, LONGEST_DELAY)
        try:
            growth = self.retry_backoff ** (retry_number - 1)
            seconds = min(self.retry_delay * growth, longest)
        except OverflowError:
            seconds = longest if self.retry_delay else 0.0
        return seconds * (1.0 - self.jitter * rand()) if self.jitter else seconds

    def is_retryable(self, exc: BaseException) -> bool:
        """Say whether RETRY tries again after this exception, as an ``except`` clause would.

        By its class and the bases of that, so that no code of the exception is asked.
        """
        bases = bases_of(type(exc))
        return any(cls is base for base in bases for cls in self.retryable_exceptions)

    def decide(self, exc: BaseException, failures: int) -> Decision:
        """Say what to do after ``failures`` failed attempts, of which ``exc`` ended the latest."""
        if self.strategy is not ErrorStrategy.RETRY:
            return Decision(self.strategy, 0.0)
        if failures > self.max_retries or not self.is_retryable(exc):
            return Decision(ErrorStrategy.STOP, 0.0)
        return Decision(ErrorStrategy.RETRY, self.delay(failures))

    def serialize(self) -> Record:
        """Return a JSON object; NotRebuildableError for an exception class without an address."""
        return {
            **vars(self),
            "strategy": self.strategy.value,
            "retryable_exceptions": [_address(cls) for cls in self.retryable_exceptions],
        }

    @classmethod
    def deserialize(cls, data: Record) -> ErrorHandler:
        """Rebuild; UnknownRoutineClassError names an exception class this process lacks."""
        read(data, "strategy", str, "an error handler")
        values = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        addresses = values.get("retryable_exceptions", [_ANY])
        if not isinstance(addresses, list):
            raise CorruptRecordError(f"retryable_exceptions must be a list, not {shown(addresses)}")
        values["retryable_exceptions"] = [_exception(address) for address in addresses]
        return cls(**values)


def deciding_handler(data: Record | None) -> ErrorHandler:
    """The handler of a record, for errors of classes that every process has.

    Retryable classes that this process lacks are left out: such an error is of none of them.
    """
    if data is None:
        return ErrorHandler()
    addresses = data.get("retryable_exceptions", [_ANY])
    known = [one for one in addresses if isinstance(one, str) and _is_exception(find(one))]
    return ErrorHandler.deserialize({**data, "retryable_exceptions": known})


def check_error_handler(error_handler: ErrorHandler | None) -> ErrorHandler | None:
    """Return it when another process can rebuild it; ValueError otherwise."""
    if error_handler is None:
        return None
    if not isinstance(error_handler, ErrorHandler):
        raise DefinitionError(f"an ErrorHandler is needed, not {shown(error_handler)}")
    error_handler.serialize()
    return error_handler


def _number(name: str, value: Any, least: float, most: float = math.inf) -> float:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    # An int beyond what a float holds is as good as infinite.
    if not number or not abs(value) <= sys.float_info.max:
        raise DefinitionError(f"{name} must be a finite number, not {shown(value)}")
    if not least <= value <= most:
        bounds = f">= {least:g}" if most == math.inf else f"from {least:g} to {most:g}"
        raise DefinitionError(f"{name} must be {bounds}, not {shown(value)}")
    return float(value)


def _flag(name: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise DefinitionError(f"{name} must be True or False, not {shown(value)}")


def _exceptions(classes: type[BaseException] | Iterable[type[BaseException]]) -> Exceptions:
    if not isinstance(classes, (type, Iterable)):
        raise DefinitionError(
            f"retryable_exceptions must be an exception class or several, not {shown(classes)}"
        )
    found = (classes,) if isinstance(classes, type) else tuple(classes)
    for cls in found:
        if not _is_exception(cls):
            raise DefinitionError(f"retryable_exceptions: {shown(cls)} is no exception class")
    return found


def _is_exception(found: object) -> TypeGuard[type[BaseException]]:
    return isinstance(found, type) and issubclass(found, BaseException)


def _address(cls: type[BaseException]) -> str:
    address = address_of(cls)
    if address is None:
        raise NotRebuildableError(
            f"retryable exception {cls.__module__}.{cls.__qualname__} cannot be found by name in "
            "another process: define it at the top level of an importable module"
        )
    return address


def _exception(address: object) -> type[BaseException]:
    found = find(address) if isinstance(address, str) else None
    if _is_exception(found):
        return found
    raise UnknownRoutineClassError(
        f"this process has not imported the retryable exception {address!r}: "
        f"{registry.remedy(str(address).replace(':', '.'))}"
    )
