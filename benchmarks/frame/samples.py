"""The figures of all rounds, and how they are condensed."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from benchmarks.frame.trial import Figures, Result


class MissingError(Exception):
    """A figure that a row needs was not measured; the text says why."""


class NotRunError(MissingError):
    """The trial is not part of this run."""


class Samples:
    """Figures by trial, one for each round."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[int, Figures]] = defaultdict(dict)
        self.problems: dict[str, str] = {}

    def add(self, trial: str, round_number: int, result: Result) -> None:
        if result.problem:
            self.problems[trial] = result.problem
        else:
            self._figures[trial][round_number] = result.figures

    def of(self, trial: str, figure: str) -> list[float]:
        """A figure in every round that has it; MissingError when none has."""
        found = [
            figures[figure]
            for figures in self._figures.get(trial, {}).values()
            if figure in figures
        ]
        if not found:
            if trial not in self.problems:
                raise NotRunError(f"{trial} is not part of this run")
            raise MissingError(f"{trial}: {self.problems[trial].splitlines()[-1]}")
        return found

    def has(self, trial: str) -> bool:
        """Whether there are any figures of a trial."""
        return bool(self._figures.get(trial))

    def median(self, trial: str, figure: str) -> float:
        return median(self.of(trial, figure))

    def ratio(self, one: str, other: str, figure: str) -> float:
        """Median over the rounds of the quotient within a round.

        Both trials of a round ran within a minute or so of each other, so a slow quarter of an
        hour of the machine changes neither the quotient nor which trial it meets.
        """
        for trial in (one, other):
            self.of(trial, figure)
        left, right = self._figures[one], self._figures[other]
        common = left.keys() & right.keys()
        if not common:
            raise MissingError(f"{one} and {other} succeeded in no common round")
        return median(left[number][figure] / right[number][figure] for number in common)

    def condensed(self) -> dict[str, dict[str, float]]:
        """Medians of everything."""
        return {
            trial: {name: self.median(trial, name) for name in self._names(trial)}
            for trial in sorted(self._figures)
        }

    def raw(self) -> dict[str, list[Figures]]:
        return {
            trial: [rounds[n] for n in sorted(rounds)]
            for trial, rounds in sorted(self._figures.items())
        }

    def _names(self, trial: str) -> list[str]:
        names: dict[str, None] = {}
        for figures in self._figures[trial].values():
            names.update(dict.fromkeys(figures))
        return list(names)
