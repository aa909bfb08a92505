"""What ran, written where no fault of Redis can reach it.

Every handler of the harness appends one line when it starts and one when it ends. One ``write`` of
a short line to a descriptor opened with O_APPEND is atomic, so any number of processes share the
file and a SIGKILL cannot tear a line.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: Names the file to the workers.
VARIABLE = "FLOWFORGE_CHAOS_LEDGER"

Kind = Literal["start", "end"]


@dataclass(frozen=True)
class Line:
    """One handler started or ended. ``at`` is wall time in nanoseconds."""

    kind: Kind
    job_id: str
    number: int
    attempt: int
    pid: int
    at: int
    routine: str


class _Descriptor:
    """The open file of this process; shared with forked children, which is harmless."""

    value: int | None = None


def note(kind: Kind, job_id: str, number: int, attempt: int, routine: str) -> None:
    """Append one line to the file that the environment names."""
    if _Descriptor.value is None:
        path = os.environ[VARIABLE]
        _Descriptor.value = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    line = f"{kind} {job_id} {number} {attempt} {os.getpid()} {time.time_ns()} {routine}\n"
    os.write(_Descriptor.value, line.encode())


def read(path: Path, job_id: str | None = None) -> list[Line]:
    """Every line, in the order of writing; of one job or of all."""
    if not path.exists():
        return []
    lines = (text.split(" ") for text in path.read_text().splitlines())
    return [
        Line(kind, job, int(number), int(attempt), int(pid), int(at), routine)  # type: ignore[arg-type]
        for kind, job, number, attempt, pid, at, routine in lines
        if job_id is None or job == job_id
    ]
