"""A trial: one way of doing one piece of work, once, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from benchmarks.frame.scale import Scale
from benchmarks.frame.stage import ROOT

#: Named numbers that one run of a trial gave.
Figures: TypeAlias = dict[str, float]

#: Seconds that one trial may take; reached only when something hangs.
LIMIT = 900


class SkippedError(Exception):
    """Why a trial cannot run here; it is reported beside the figures."""


@dataclass(frozen=True)
class Trial:
    """One way of doing one piece of work."""

    name: str
    run: Callable[[Scale], Figures]
    #: Whether the quick run has it as well.
    quick: bool = True


@dataclass(frozen=True)
class Result:
    """What came of one run: figures, or why there are none."""

    figures: Figures = field(default_factory=dict)
    problem: str = ""


def run_apart(name: str, scale: Scale) -> Result:
    """Run a trial in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.one", name, "--scale", scale.value]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return Result(problem=f"did not end within {LIMIT} s")
    return told_by(done)


def told_by(done: subprocess.CompletedProcess[str]) -> Result:
    """What ``benchmarks.one`` has told before it ended."""
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return Result(problem="\n".join(lines[-40:]))
    answer = json.loads(done.stdout.splitlines()[-1])
    return Result(**answer)


def run_here(trial: Trial, scale: Scale) -> Result:
    """Run a trial in this process, which must not have run another one."""
    try:
        return Result(figures=trial.run(scale))
    except SkippedError as error:
        return Result(problem=str(error))
