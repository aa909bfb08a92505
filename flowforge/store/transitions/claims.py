"""What a claim is asked with, and what it hands to the worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias


class Claim(NamedTuple):
    """What a granted claim hands to the worker. ``attempt_number`` leaves out lost ones."""

    record: bytes
    definition: str
    claims: int
    lost: int
    #: Milliseconds from the push of its message to the claim, to a tenth of a second; 0 as well
    #: when it is not known.
    queued_ms: int = 0
    #: Milliseconds until the attempt may start, by the rate of a limit, and those that it has
    #: waited for places.
    rests_ms: int = 0
    limited_ms: int = 0

    @property
    def attempt_number(self) -> int:
        return self.claims - self.lost


class Question(NamedTuple):
    """What a claim asks before it is granted: whether the params in a record fulfil a condition.

    ``condition``: packed, of a breakpoint.
    """

    record: bytes
    condition: bytes


#: The condition of a question, and 1 if it is fulfilled, else 0; empty: none was asked.
Verdict: TypeAlias = "tuple[bytes, int] | tuple[()]"


class Granted(NamedTuple):
    """A claim together with what was claimed. ``asked``: when, by the asker's ``perf_counter``."""

    job_id: str
    invocation: str
    token: str
    claim: Claim
    asked: float


class NextClaim(NamedTuple):
    """The wish to go on with the oldest message of the first broker list that has one."""

    token: str
    lease_ms: int
    lists: Sequence[str]
    #: When it is asked, by ``perf_counter``.
    asked: float
