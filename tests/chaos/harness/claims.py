"""When each granted claim was asked for and answered, noted by the workers that import this module.

What is asked for after a pause has returned, and answered before a resume is called, must not be
granted. When its handler starts does not tell: the answer to an earlier claim may be on its way.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowforge.store.transitions.invocations import Invocations

MODULE = __name__

_VARIABLE = "FLOWFORGE_CHAOS_CLAIMS"


@dataclass(frozen=True)
class Asked:
    """A granted claim. ``at``, ``answered``: wall times in nanoseconds around the call."""

    job_id: str
    invocation: str
    at: int
    answered: int


def environment(path: Path) -> Mapping[str, str]:
    """What a worker is told so that it notes its claims there."""
    return {_VARIABLE: str(path)}


def read(path: Path) -> list[Asked]:
    """Every granted claim."""
    lines = (line.split(" ") for line in path.read_text().splitlines())
    return [
        Asked(job_id, invocation, int(at), int(answered))
        for job_id, invocation, at, answered in lines
    ]


def _note(descriptor: int, job_id: str, invocation: str, at: int) -> None:
    os.write(descriptor, f"{job_id} {invocation} {at} {time.time_ns()}\n".encode())


def _watch(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    claim, commit = Invocations.claim, Invocations.commit

    def noting_claim(invocations: Invocations, job_id: str, invocation: str, *rest: Any) -> Any:
        at = time.time_ns()
        answer = claim(invocations, job_id, invocation, *rest)
        if not isinstance(answer, str):
            _note(descriptor, job_id, invocation, at)
        return answer

    def noting_commit(invocations: Invocations, *arguments: Any) -> Any:
        at = time.time_ns()
        answer, granted = commit(invocations, *arguments)
        if granted is not None:
            _note(descriptor, granted.job_id, granted.invocation, at)
        return answer, granted

    Invocations.claim = noting_claim  # type: ignore[method-assign, assignment]
    Invocations.commit = noting_commit  # type: ignore[method-assign, assignment]


if _VARIABLE in os.environ:
    _watch(os.environ[_VARIABLE])
