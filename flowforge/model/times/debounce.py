"""Calls that come one after another make one job; and jobs of which one runs at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from flowforge.common.bounded_repr import shown
from flowforge.errors import InvalidValueError
from flowforge.model.times.start import Delay, delay_ms

#: Which of the calls' params the job gets.
Keep: TypeAlias = Literal["first", "last", "all"]

#: What a submission does while another job has its key.
WhenRunning: TypeAlias = Literal["skip", "queue", "replace"]

#: Characters of a key at most: it stands in the row of each of its jobs, and in lists.
LONGEST_KEY = 1000


@dataclass(frozen=True)
class Debounce:
    """Calls of ``execute`` with one key make one job, which starts when no more of them come.

    ``key``: text of at most 1,000 characters; one key of the same flow id and entry is one job.
    ``wait``: seconds or a timedelta from the latest call until the job starts. ``at_most``: the
    same from the first call, however many follow; the first call fixes it; None: without limit.
    ``keep``: the params of the ``first`` call, of the ``last``, or ``all``: the handler gets them
    as the one param ``items``, a list in the order of the calls, as a join hands its items over.

    InvalidValueError for a key that is empty, too long or no text, a ``wait`` of 0, an ``at_most``
    below ``wait``, and another ``keep``.
    """

    key: str
    wait: Delay
    at_most: Delay | None = None
    keep: Keep = "last"

    def __post_init__(self) -> None:
        check_key("the key of a Debounce", self.key)
        if self.keep not in get_args(Keep):
            raise InvalidValueError(
                f"keep must be 'first', 'last' or 'all', not {shown(self.keep)}"
            )
        if not self.wait_ms:
            raise InvalidValueError("wait must be longer than 0 seconds")
        if self.at_most_ms is not None and self.at_most_ms < self.wait_ms:
            raise InvalidValueError(
                f"at_most ({self.at_most}) must not be shorter than wait ({self.wait})"
            )

    @property
    def wait_ms(self) -> int:
        """Milliseconds from the latest call."""
        return delay_ms("wait", self.wait)

    @property
    def at_most_ms(self) -> int | None:
        """Milliseconds from the first call; None: without limit."""
        return None if self.at_most is None else delay_ms("at_most", self.at_most)


def check_key(name: str, key: object) -> None:
    """InvalidValueError for what is no text, empty or too long; ``name``: what it was given as."""
    if not isinstance(key, str) or not key:
        raise InvalidValueError(f"{name} must be text, not empty; it is {shown(key)}")
    if len(key) > LONGEST_KEY:
        raise InvalidValueError(
            f"{name} has {len(key):,} characters, {LONGEST_KEY:,} is the most: give a hash of it"
        )


def checked_when_running(when: object) -> WhenRunning:
    """What it is; InvalidValueError for what is none of the three."""
    if when not in get_args(WhenRunning):
        raise InvalidValueError(
            f"when_running must be 'skip', 'queue' or 'replace', not {shown(when)}"
        )
    return cast("WhenRunning", when)


def scope_of(name: str) -> str:
    """What stands before a key that belongs to ``name``, so that no two of different names meet."""
    return f"{len(name)}:{name}/"
