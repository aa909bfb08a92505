"""The names of metrics, and the page that lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowforge.metrics import catalogue
from flowforge.metrics.exposition import Metric

PAGE = Path(__file__).parents[3] / "docs/reference/metrics.md"

ALL = {value for value in vars(catalogue).values() if isinstance(value, Metric)}


def test_every_metric_is_of_a_fleet_or_of_a_worker() -> None:
    """None is left out of the lists, and no name is used twice."""
    assert set(catalogue.FLEET) | set(catalogue.WORKER) == ALL
    assert len({metric.name for metric in ALL}) == len(catalogue.FLEET) + len(catalogue.WORKER)


@pytest.mark.parametrize("metric", sorted(ALL), ids=lambda metric: metric.name)
def test_names_follow_the_rules_of_prometheus(metric: Metric) -> None:
    """Words in small letters with the unit, and the suffix of a counter."""
    assert re.fullmatch(r"flowforge(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.kind == "histogram":
        assert metric.name.endswith("_seconds")
    assert metric.kind in ("counter", "gauge", "histogram")
    assert metric.help.endswith(".")
    assert not set(metric.labels) & {"le", "job", "instance"}


def test_the_page_lists_what_is_exported() -> None:
    """Every metric with its type, its labels and its meaning, and none that there is not."""
    text = PAGE.read_text()
    fleet, worker = text.split("## Of a worker")
    for part, metrics, first in (
        (fleet, catalogue.FLEET, "server"),
        (worker, catalogue.WORKER, "worker"),
    ):
        rows = re.findall(r"^\| `(flowforge_\w+)` \| (\w+) \| (.+?) \| (.+) \|$", part, re.M)
        expected = [
            (one.name, one.kind, ", ".join(f"`{name}`" for name in (first, *one.labels)), one.help)
            for one in metrics
        ]
        assert rows == expected


def test_the_page_explains_every_label() -> None:
    """With the values that it can have."""
    rows = "".join(re.findall(r"^\| (`.+?) \|", PAGE.read_text(), re.M))
    named = {name for metric in ALL for name in metric.labels} | {"server", "worker"}
    assert named <= set(re.findall(r"`(\w+)`", rows))
