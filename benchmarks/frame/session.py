"""A run of everything: round by round, all trials in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from benchmarks.frame.rows import Group, Verdict, judge
from benchmarks.frame.samples import Samples
from benchmarks.frame.scale import Scale
from benchmarks.frame.trial import Result, Trial, run_apart


class Session:
    """Runs the trials of groups and judges their rows.

    ``tell`` gets one line for each trial that was run.
    """

    def __init__(
        self, groups: Sequence[Group], scale: Scale, rounds: int, tell: Callable[[str], None]
    ) -> None:
        self.groups = groups
        self.scale = scale
        self.rounds = rounds
        self.samples = Samples()
        self._tell = tell

    def run(self) -> None:
        """Run all rounds. Every other round goes backwards, so that no trial is always first."""
        trials = [t for group in self.groups for t in group.trials if self._wanted(t)]
        for number in range(1, self.rounds + 1):
            for trial in trials if number % 2 else reversed(trials):
                began = time.monotonic()
                result = run_apart(trial.name, self.scale)
                self.samples.add(trial.name, number, result)
                took = time.monotonic() - began
                self._tell(f"round {number}/{self.rounds}  {_line(trial, result)}  ({took:.1f} s)")

    def _wanted(self, trial: Trial) -> bool:
        return trial.quick or self.scale is Scale.FULL

    def verdicts(self) -> list[Verdict]:
        """The rows that this run can tell something about."""
        found = [
            judge(group.name, row, self.samples) for group in self.groups for row in group.rows
        ]
        return [verdict for verdict in found if verdict is not None]


def _line(trial: Trial, result: Result) -> str:
    if result.problem:
        return f"{trial.name}  no figures: {result.problem.splitlines()[-1]}"
    shown = ", ".join(f"{name} {value:.4g}" for name, value in list(result.figures.items())[:4])
    return f"{trial.name}  {shown}"
