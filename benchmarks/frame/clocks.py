"""CPU time that processes have used, by the kernel's own account of each.

``/proc/<pid>/stat`` counts in ticks of 10 ms, a tenth of a trial. The CPU clock of a process is the
same account in nanoseconds (clock_getcpuclockid(3)).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable
from pathlib import Path

#: Type of a CPU clock in the kernel's clock ids: scheduled time, user and system together.
_SCHED = 2

#: Fields of ``/proc/stat`` that are time without work: idle and iowait.
_IDLE = (3, 4)


def cpu_seconds(pid: int) -> float:
    """User and system time of one process, ended threads included; OSError when it is gone."""
    return time.clock_gettime((~pid << 3) | _SCHED)


def tree(pid: int) -> list[int]:
    """The process and its descendants, those of a prefork pool for example."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "stat").read_text()
        except OSError:
            continue  # it has just ended
        parent = int(status.rpartition(")")[2].split()[1])
        parents.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:  # grows while it is walked
        found += parents.get(member, [])
    return found


def tree_seconds(pids: Iterable[int]) -> float:
    """CPU time of processes and all their descendants."""
    return sum(cpu_seconds(member) for pid in pids for member in tree(pid))


def peak_mib(pids: Iterable[int]) -> float:
    """The most memory that processes and their descendants have had, each at its own peak."""
    return sum(_peak_kib(member) for pid in pids for member in tree(pid)) / 1024


def _peak_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def machine_seconds() -> float:
    """CPU time that the whole machine has spent on anything, ticks as seconds."""
    with Path("/proc/stat").open() as stat:
        ticks = [int(part) for part in stat.readline().split()[1:9]]
    worked = sum(ticks) - sum(ticks[i] for i in _IDLE)
    return worked / os.sysconf("SC_CLK_TCK")


def pin(*others: int) -> None:
    """Keep this process, and what it starts from now on, on one core: the last it may use.

    ``others``: processes that shall share it.
    """
    core = {max(os.sched_getaffinity(0))}
    for pid in (0, *others):
        os.sched_setaffinity(pid, core)


def unpin() -> None:
    """Let this process use every core again."""
    os.sched_setaffinity(0, range(os.cpu_count() or 1))


def supported() -> bool:
    """Whether this system has what the trials need."""
    return sys.platform == "linux"
