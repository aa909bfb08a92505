"""Limits: how much of something may run at once, or start in a time, over the whole fleet."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Any, NamedTuple, TypeAlias

from flowforge.common.bounded_repr import shown
from flowforge.errors import (
    CorruptRecordError,
    DefinitionError,
    EmissionError,
    InvalidValueError,
)
from flowforge.model.names import check_name, check_whole, did_you_mean, listing

#: What becomes of an invocation that a full limit does not let in.
WHEN_FULL = ("wait", "drop", "fail", "replace")

#: How long an invocation has its place.
HOLD = ("attempt", "invocation")

#: Limits of one slot or connection, and of one delivery.
MOST_LIMITS = 8

#: What stands in place of an invocation where a whole job has a place, or waits for one.
WHOLE_JOB = "0.0.0"

#: Largest number of places or starts; and of seconds of a period, a year.
MOST = 1_000_000
LONGEST_PERIOD = 366 * 86_400

#: Characters of the value that a key is for; of a longer one a digest stands there.
_LONGEST_VALUE = 128


#: A number that says: without bound. No other one of its size is taken.
UNLIMITED = 1 << 62


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What is in force for a limit. None: not set here; ``UNLIMITED``: explicitly without bound."""

    #: Attempts that may run at once.
    running: int | None = None
    #: Starts in a period, and its milliseconds.
    rate: int | None = None
    period_ms: int | None = None
    #: Starts that may follow each other at once after a quiet time.
    burst: int | None = None
    when_full: str | None = None
    hold: str | None = None
    #: ``off``: the limit lets everything in.
    state: str | None = None

    def texts(self) -> list[str]:
        """Each as the scripts read it, in their order."""
        return [_text(getattr(self, field.name)) for field in fields(self)]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> LimitSettings:
        """What ``texts`` gave; ValueError for anything else."""
        running, rate, period, burst, when_full, hold, state = texts[:7]
        return cls(
            _number(running), _number(rate), _number(period), _number(burst),
            _word(when_full, WHEN_FULL), _word(hold, HOLD), _word(state, ("on", "off")),
        )  # fmt: skip

    @property
    def most_running(self) -> int | None:
        """How many attempts may run at once; None: without bound."""
        return None if self.running == UNLIMITED else self.running

    @property
    def most_started(self) -> int | None:
        """How many may start in a period; None: without bound."""
        return None if self.rate == UNLIMITED else self.rate

    @property
    def period(self) -> float:
        """The period of the rate, in seconds."""
        return (self.period_ms or 1000) / 1000

    def text(self) -> str:
        """What is in force, in words: ``5 running, 100 in 60 s``."""
        parts = []
        if self.most_running is not None:
            parts.append(f"{self.most_running} running")
        if self.most_started is not None:
            parts.append(f"{self.most_started} in {self.period:g} s")
        return ", ".join(parts) or "none"

    def over(self, other: LimitSettings) -> LimitSettings:
        """These, and those of the other where these say nothing."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(other, **{name: value for name, value in own.items() if value is not None})


def _text(value: object) -> str:
    if value is None:
        return "-"
    return "*" if value == UNLIMITED else str(value)


def _number(text: str) -> int | None:
    if text == "-":
        return None
    return UNLIMITED if text == "*" else int(text)


def _word(text: str, known: Container[str]) -> str | None:
    if text != "-" and text not in known:
        raise ValueError(f"{text!r} is unknown")
    return None if text == "-" else text


class LimitUse(NamedTuple):
    """A limit where it applies. ``per``: the param whose values count apart; None: all together."""

    name: str
    per: str | None = None

    def key(self, params: dict[str, Any], where: str, secret: Container[str]) -> str:
        """The key that a delivery counts at; EmissionError for a value that makes none."""
        if self.per is None:
            return self.name
        if self.per not in params:
            raise EmissionError(
                f"{where}: the limit {self.name!r} counts by the param {self.per!r}, which is "
                f"missing; it has: {listing(params)}"
            )
        value = params[self.per]
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise EmissionError(
                f"{where}: {self.per!r}, by which the limit {self.name!r} counts, must be text or "
                f"a whole number, not {type(value).__name__}"
            )
        # Python refuses to print whole numbers of more than 4,300 digits; they get a digest below.
        text = value if isinstance(value, str) else format(value, "d" if _is_short(value) else "x")
        fits = 0 < len(text) <= _LONGEST_VALUE and text.isprintable()
        if self.per in secret or not fits:
            text = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{self.name}/{text}"


def _is_short(value: int) -> bool:
    return value.bit_length() < _LONGEST_VALUE


class LimitRule:
    """Base of ``Limit``, which stands on the engine."""

    def __init__(
        self,
        name: str,
        *,
        per: str | None = None,
        running: int | None = None,
        rate: int | None = None,
        period: float | timedelta | None = None,
        burst: int | None = None,
        when_full: str = "wait",
        hold: str = "attempt",
    ) -> None:
        self.name = check_limit_name(name)
        self.per = None if per is None else check_name(f"per of limit {name!r}", per)
        self.settings = checked_settings(
            f"limit {name!r}", running=running, rate=rate, period=period, burst=burst,
            when_full=when_full, hold=hold,
        )  # fmt: skip
        if when_full == "replace" and (running is None or rate is not None or hold != "attempt"):
            raise DefinitionError(
                f"limit {name!r}: when_full='replace' is for attempts that run at once: give it "
                "running=, and neither rate= nor hold="
            )
        if running is None and rate is None:
            raise DefinitionError(
                f"limit {name!r} limits nothing: give it running=, rate=, or both"
            )
        with _lock:
            _declared[self.name] = self

    @property
    def use(self) -> LimitUse:
        """The limit as slots and connections name it."""
        return LimitUse(self.name, self.per)

    def __repr__(self) -> str:
        return f"Limit({self.name!r})"


_lock = threading.Lock()
#: The limits of this process by name; the latest wins, so that a notebook cell can run again.
_declared: dict[str, LimitRule] = {}

#: What users name a limit by, one or several.
LimitArgument: TypeAlias = "str | LimitRule | Iterable[str | LimitRule | LimitUse]"

#: A limit of a slot or a connection; a text is looked up when the flow becomes a definition.
Named: TypeAlias = "str | LimitUse"


def declared_limits() -> list[LimitRule]:
    """The limits that this process has declared."""
    with _lock:
        return list(_declared.values())


def check_limit_name(name: object) -> str:
    """Return the name of a limit; DefinitionError."""
    text = check_name("the name of a limit", name)
    if not all(character.isalnum() or character in "._-" for character in text):
        raise DefinitionError(
            f"the name of a limit has letters, digits, '.', '_' and '-': {shown(name)}"
        )
    return text


def checked_settings(
    where: str,
    *,
    running: int | None = None,
    rate: int | None = None,
    period: float | timedelta | None = None,
    burst: int | None = None,
    when_full: str | None = None,
    hold: str | None = None,
) -> LimitSettings:
    """What a user gave; DefinitionError says what is unfit."""
    for name, value in (("running", running), ("rate", rate)):
        if value not in (None, UNLIMITED):
            check_whole(f"{name} of {where}", value, 0, MOST)
    if burst is not None:
        check_whole(f"burst of {where}", burst, 1, MOST)
    period_ms = None
    if period is not None:
        seconds = period.total_seconds() if isinstance(period, timedelta) else period
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise DefinitionError(f"period of {where} must be seconds, not {shown(period)}")
        if not 0.001 <= seconds <= LONGEST_PERIOD:
            raise DefinitionError(
                f"period of {where} must be from 0.001 to {LONGEST_PERIOD} seconds, not "
                f"{shown(period)}"
            )
        period_ms = round(seconds * 1000)
    for name, text, known in (("when_full", when_full, WHEN_FULL), ("hold", hold, HOLD)):
        if text is not None and text not in known:
            raise DefinitionError(
                f"{name} of {where} must be of {listing(known)}, not {shown(text)}"
            )
    return LimitSettings(running, rate, period_ms, burst, when_full, hold)


def parsed_settings(where: str, given: Mapping[str, str]) -> LimitSettings:
    """Settings as people type them, by name; ``none`` for running and rate: without bound.

    InvalidValueError, DefinitionError for what is unfit.
    """
    values: dict[str, Any] = {}
    for name, text in given.items():
        try:
            values[name] = (
                UNLIMITED if text == "none" and name in ("running", "rate")
                else float(text) if name == "period" else int(text)
            )  # fmt: skip
        except ValueError:
            kind = "a number" if name == "period" else "a whole number"
            raise InvalidValueError(
                f"{name} must be {kind}, not {shown(text)}"
                + ("; one in two seconds is rate=1 period=2" if name == "rate" else "")
            ) from None
    return checked_settings(where, **values)


def named_limits(where: str, limit: object) -> tuple[Named, ...]:
    """What a user gave as ``limit=``; DefinitionError says what is unfit."""
    if limit is None:
        return ()
    given = [limit] if isinstance(limit, (str, LimitRule, LimitUse)) else limit
    if not isinstance(given, Iterable):
        raise DefinitionError(f"limit of {where} must be a Limit or its name, not {shown(limit)}")
    found: list[Named] = []
    for one in given:
        if isinstance(one, LimitRule):
            found.append(one.use)
        elif isinstance(one, LimitUse):
            found.append(one)
        else:
            found.append(check_limit_name(one))
    names = [one if isinstance(one, str) else one.name for one in found]
    if len(set(names)) < len(names) or len(names) > MOST_LIMITS:
        raise DefinitionError(
            f"limit of {where} names up to {MOST_LIMITS} limits, each once, not {listing(names)}"
        )
    return tuple(found)


def resolved(limits: Iterable[Named], where: str) -> tuple[LimitUse, ...]:
    """The limits with what they count by; DefinitionError for a name that nothing declares."""
    return tuple(sorted(one if isinstance(one, LimitUse) else _use(one, where) for one in limits))


def _use(name: str, where: str) -> LimitUse:
    found = _declared.get(name)
    if found is None:
        raise DefinitionError(
            f"{where} names the limit {name!r}, which this process does not declare: write "
            f"Limit({name!r}, ...) in a module that it imports{did_you_mean(name, _declared)}"
        )
    return found.use


def check_apart(
    flow_id: str, of_job: Iterable[LimitUse], step: str, of_step: Iterable[Named]
) -> None:
    """DefinitionError for a limit of a flow that a step of it has too."""
    names = {one if isinstance(one, str) else one.name for one in of_step}
    for use in of_job:
        if use.name in names:
            raise DefinitionError(
                f"limit {use.name!r} is one of flow {flow_id!r} and of {step}: a job that has its "
                "place would wait for another one itself; give one of the two another limit"
            )


def read_uses(raw: object, where: str) -> tuple[LimitUse, ...]:
    """Limits of a record, as ``[name, per]`` each; CorruptRecordError for anything else."""
    try:
        uses = [LimitUse(check_limit_name(name), per) for name, per in raw]  # type: ignore[attr-defined]
        if all(use.per is None or isinstance(use.per, str) for use in uses):
            return tuple(uses)
    except (TypeError, ValueError):
        pass
    raise CorruptRecordError(f"limits of {where} must be pairs of name and param, not {shown(raw)}")


def together(*some: Iterable[LimitUse]) -> tuple[LimitUse, ...]:
    """Limits of several places, each name once, in the order in which places are taken."""
    found = {use.name: use for uses in some for use in uses}
    return tuple(found[name] for name in sorted(found))


def limited_mode(
    uses: Sequence[LimitUse], mode: str, params: dict[str, Any], where: str,
    secret: Container[str] = (),
) -> str:  # fmt: skip
    """The mode of a delivery that counts at limits: their keys come before the rest of it."""
    keys = "\n".join([use.key(params, where, secret) for use in uses])
    return f"L{len(keys.encode())} {keys}{mode}"


def job_limits(
    uses: Sequence[LimitUse], params: dict[str, Any], where: str, secret: Container[str]
) -> str:
    """What stands before the mode of a job's first delivery: the keys at which the job counts."""
    return "F" + limited_mode(uses, "", params, where, secret)[1:]
