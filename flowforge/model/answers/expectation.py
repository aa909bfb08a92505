"""Answers that a job expects from outside: what a handler asks for, and what is open."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.times.start import Delay, delay_ms

#: Characters of a key, of an assignee and of a delivery id.
MOST_TEXT = 200

#: Assignees of one expectation, and expectations of which one is answered.
MOST_ASSIGNED = 16
MOST_GROUP = 20

#: Seconds between two reminders, at least.
LEAST_REMINDER = 1

#: Control characters, and surrogates, which have no UTF-8 form.
_UNFIT = {"Cc", "Cs"}


@dataclass(frozen=True)
class Expect:
    """One of the answers of ``self.expect_any``: as the arguments of ``self.expect``."""

    slot: str
    key: str | int = ""
    form: Any = None
    assign: Sequence[str] = ()


@dataclass(frozen=True)
class Ticket:
    """An expectation as the handler gets it that asks for the answer.

    ``url``: a link with a form that takes the answer without a login, valid from the commit until
    the answer; None where the setting ``dashboard_url`` is not set.
    """

    slot: str
    key: str
    url: str | None = field(repr=False)


@dataclass(frozen=True)
class Expectation:
    """An answer that a job waits for. Times are aware, UTC, by the server's clock.

    ``invocation``: the number under which the answer is handled. ``until``: when its time is over;
    None: never. ``otherwise``: whether something is delivered then; else the job fails. ``remind``:
    seconds between reminders, or None. ``form``: JSON schema of the answer, or None. ``any_of``:
    the numbers of the expectations of which one is answered, this one among them.
    """

    job_id: str
    flow_id: str
    invocation: int
    routine_id: str
    slot: str
    key: str
    since: datetime
    until: datetime | None
    otherwise: bool
    remind: float | None
    assign: tuple[str, ...]
    form: dict[str, Any] | None
    any_of: tuple[int, ...]

    @property
    def place(self) -> str:
        """Routine, slot and key, for sentences."""
        return place_text(self.routine_id, self.slot, self.key)

    @property
    def command(self) -> str:
        """The command that answers."""
        words = ["flowforge", "deliver", self.job_id, self.routine_id, self.slot]
        if self.key:
            words.append(f"--key={self.key}")
        return f"{shlex.join(words)} --params ..."


def place_text(routine_id: str, slot: str, key: str) -> str:
    """What an answer is for, for sentences."""
    return f"{routine_id}.{slot}" + (f" for {key!r}" if key else "")


def checked_answer_key(key: object) -> str:
    """The key of an expectation as text; InvalidValueError for what is none."""
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    return "" if key == "" else _text("key", key)


def checked_assign(assign: object) -> tuple[str, ...]:
    """The assignees; InvalidValueError for what are none."""
    if isinstance(assign, (str, bytes)) or not isinstance(assign, Iterable):
        raise InvalidValueError(f'assign must be a list such as ["ops"], not {shown(assign)}')
    names = tuple(dict.fromkeys(_text("a name in assign", name) for name in assign))
    if len(names) > MOST_ASSIGNED:
        raise InvalidValueError(f"assign has {len(names)} names; it can have {MOST_ASSIGNED}")
    return names


def checked_delivery_id(delivery_id: object) -> str:
    """A delivery id, empty without one; InvalidValueError for what is none."""
    return "" if delivery_id is None else _text("delivery_id", delivery_id)


def within_ms(within: Delay | None) -> int:
    """Milliseconds until the time of an expectation is over; 0: never."""
    if within is None:
        return 0
    ms = delay_ms("within", within)
    if not ms:
        raise InvalidValueError("within must be more than 0 seconds; leave it out to wait for good")
    return ms


def remind_ms(remind: Delay | None) -> int:
    """Milliseconds between two reminders; 0: there are none."""
    if remind is None:
        return 0
    ms = delay_ms("remind", remind)
    if ms < LEAST_REMINDER * 1000:
        raise InvalidValueError(f"remind must be at least {LEAST_REMINDER} second")
    return ms


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MOST_TEXT:
        raise InvalidValueError(
            f"{name} must be text of 1 to {MOST_TEXT} characters, not {shown(value)}"
        )
    if any(unicodedata.category(character) in _UNFIT for character in value):
        raise InvalidValueError(f"{name} must have no control characters: {shown(value)}")
    return value
