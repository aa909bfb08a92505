"""The names of an invocation: within its job, in the store, of its lease and of its Celery task.

===================  ================================================================
``7.2.0``            the invocation of number 7 in its job, for slot 0 of routine 2
``7.2.0.3``          the same in a merging slot, where its params are the third
``job/7.2.0``        the invocation and its job
``job/7.2.0/token``  the lease of the attempt with this token
``job-7``            the invocation id: in logs, and of the Celery task in all attempts
===================  ================================================================

Numbers count from 1, indices of routines and slots from 0. The scripts make all but the last two.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from flowforge.common.bounded_repr import shown

#: The names as patterns. Lua counts exactly up to 15 digits.
JOB_ID = "[0-9A-Za-z_-]{1,80}"
NUMBER = "[0-9]{1,15}"
INVOCATION = rf"{NUMBER}\.[0-9]{{1,6}}\.[0-9]{{1,6}}(?:\.{NUMBER})?"

_MOST = 10**15

#: The task of a job whose id the store has made: the server's name and 80 random bits.
_TASK_ID = re.compile(r"[0-9a-z]+-[0-9a-f]{20}-[0-9]+")

_new = tuple.__new__


class InvocationName(NamedTuple):
    """An invocation within its job, from ``parse``."""

    number: int
    routine: int
    slot: int
    #: Place of the params in a merging slot, from 1; 0: the slot does not merge.
    position: int

    @classmethod
    def parse(cls, text: str) -> InvocationName:
        """ValueError when ``text`` does not name an invocation."""
        try:
            number, routine, slot = text.split(".", 2)
            position = "0"
            if "." in slot:
                slot, position = slot.split(".")
            if 0 <= (count := int(number)) < _MOST:
                # Not through the constructor, which would double the time: each step comes here.
                return _new(cls, (count, int(routine), int(slot), int(position)))
        except ValueError:
            pass
        raise ValueError(f"{shown(text)} does not name an invocation")

    def __str__(self) -> str:
        place = f"{self.number}.{self.routine}.{self.slot}"
        return f"{place}.{self.position}" if self.position else place


def number_of(invocation: str) -> str:
    """The number in an invocation's name, as text. Looks at nothing else."""
    return invocation.partition(".")[0]


def routine_of(invocation: str) -> int:
    """The routine's index in an invocation's name. ValueError or IndexError when there is none."""
    return int(invocation.split(".", 2)[1])


def in_job(job_id: str, invocation: str) -> str:
    """``job/invocation``."""
    return f"{job_id}/{invocation}"


def job_of(name: str) -> str:
    """The job in ``job/invocation``."""
    return name.partition("/")[0]


def lease_of(job_id: str, invocation: str, token: str) -> str:
    """``job/invocation/token``."""
    return f"{job_id}/{invocation}/{token}"


def parse_lease(text: str) -> tuple[str, str, str]:
    """Job, invocation and token; ValueError when ``text`` has another form."""
    job_id, invocation, token = text.split("/")
    return job_id, invocation, token


def task_id(job_id: str, invocation: str) -> str:
    """The id of the Celery task that runs an invocation."""
    return f"{job_id}-{invocation.partition('.')[0]}"


def job_of_task(text: str) -> str:
    """The job in a ``task_id``; see ``is_task_id`` for whether it is one."""
    return text.rpartition("-")[0]


def is_task_id(text: str) -> bool:
    """Whether it is the Celery task of an invocation, and not any other task."""
    return _TASK_ID.fullmatch(text) is not None
