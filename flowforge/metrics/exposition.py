"""Metrics as the text that Prometheus reads (its exposition format, version 0.0.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from flowforge.store.fleet_reads.totals import BOUNDS, Histogram

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = (*(f"{bound:g}" for bound in BOUNDS), "+Inf")

_ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Metric(NamedTuple):
    """A metric. ``kind``: counter, gauge or histogram."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()


class Page:
    """Samples, which may be added in any order; a metric without any is left out."""

    def __init__(self, common: str = "", samples: dict[Metric, list[str]] | None = None) -> None:
        self._common = common
        self._samples: dict[Metric, list[str]] = {} if samples is None else samples

    def of(self, **labels: str) -> Page:
        """The same page for samples that have these labels in front."""
        common = self._common + "".join(_label(*pair) for pair in labels.items())
        return Page(common, self._samples)

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """One sample, with the values of the metric's labels."""
        shown = self._braces(metric, labels)
        self._of(metric).append(f"{metric.name}{shown} {_number(value)}\n")

    def add_times(self, metric: Metric, times: Histogram, *labels: str) -> None:
        """The samples of one histogram."""
        inner, name, total = self._inner(metric, labels), metric.name, 0
        shown = self._braces(metric, labels)
        found = self._of(metric)
        for bound, count in zip(_BOUNDS, times.counts, strict=True):
            total += count
            found.append(f'{name}_bucket{{{inner}le="{bound}"}} {total}\n')
        found.append(f"{name}_sum{shown} {_number(times.seconds)}\n{name}_count{shown} {total}\n")

    def text(self) -> str:
        """The page."""
        parts: list[str] = []
        for metric, samples in sorted(self._samples.items()):
            parts.append(
                f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.kind}\n"
            )
            parts += samples
        return "".join(parts)

    def _of(self, metric: Metric) -> list[str]:
        return self._samples.setdefault(metric, [])

    def _braces(self, metric: Metric, labels: Sequence[str]) -> str:
        inner = self._inner(metric, labels)
        return f"{{{inner[:-1]}}}" if inner else ""

    def _inner(self, metric: Metric, labels: Sequence[str]) -> str:
        pairs = zip(metric.labels, labels, strict=True)
        return self._common + "".join(_label(name, value) for name, value in pairs)


def _label(name: str, value: str) -> str:
    return f'{name}="{value.translate(_ESCAPES)}",'


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else repr(float(value))
