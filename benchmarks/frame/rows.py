"""Rows of the table: what was wanted, what was measured, and whether that is enough."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.frame.samples import MissingError, NotRunError, Samples
from benchmarks.frame.trial import Trial

_TESTS: dict[str, Callable[[float, float], bool]] = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Target:
    """``compare`` is ``>=`` or ``<=``."""

    compare: str
    value: float
    unit: str = ""

    def met_by(self, measured: float) -> bool:
        return _TESTS[self.compare](measured, self.value)

    def __str__(self) -> str:
        return f"{self.compare} {show(self.value)}{_gap(self.unit)}"


@dataclass(frozen=True)
class Row:
    """One line of the table. ``measure`` gives the figure to judge, ``detail`` what is behind it.

    Without a target it is there for information.
    """

    text: str
    measure: Callable[[Samples], float]
    target: Target | None = None
    detail: Callable[[Samples], str] | None = None


@dataclass(frozen=True)
class Verdict:
    """A row with its figure: ``met`` is None when there is no target or no figure."""

    group: str
    text: str
    target: str
    measured: float | None
    unit: str
    met: bool | None
    detail: str

    @property
    def figure(self) -> str:
        return "-" if self.measured is None else f"{show(self.measured)}{_gap(self.unit)}"

    @property
    def word(self) -> str:
        if self.met is None:
            return "no figure" if self.measured is None else ""
        return "met" if self.met else "NOT MET"


@dataclass(frozen=True)
class Group:
    """The trials and rows of one file of measures."""

    name: str
    trials: Sequence[Trial]
    rows: Sequence[Row]


def judge(group: str, row: Row, samples: Samples) -> Verdict | None:
    """Fill in a row; one whose figures are missing says why. None: it is not part of this run."""
    target = row.target
    unit = target.unit if target else ""
    wanted = str(target) if target else ""
    try:
        measured = row.measure(samples)
        detail = row.detail(samples) if row.detail else ""
    except NotRunError:
        return None
    except MissingError as error:
        return Verdict(group, row.text, wanted, None, unit, None, str(error))
    met = None if target is None else target.met_by(measured)
    return Verdict(group, row.text, wanted, measured, unit, met, detail)


def show(value: float) -> str:
    """Three significant digits, without exponents."""
    if value and abs(value) < 0.1:
        return f"{value:.3f}"
    if abs(value) < 10:
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}".removesuffix(".0")


def _gap(unit: str) -> str:
    return "" if not unit else unit if unit == "x" else f" {unit}"
