"""A breakpoint of a job, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Breakpoint:
    """Where invocations of a job stop before their handlers start.

    ``condition``: which ones, empty for all; values of secret params are ``***``. ``at``, ``by``:
    when and by whom it was set. ``stopped``: numbers of invocations that have stopped there, those
    that stopped first, up to 100 of the 2,000 that stopped first in the job.
    """

    routine_id: str
    condition: str
    at: datetime
    by: str
    stopped: tuple[int, ...]
