"""The dashboard and the alert rules ask for metrics, labels and commands that there are."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from flowforge.cli.main import cli
from flowforge.metrics import catalogue
from flowforge.metrics.exposition import Metric

DEPLOY = Path(__file__).parents[3] / "deploy"

METRICS = {one.name: (one, {"server", *one.labels}) for one in catalogue.FLEET} | {
    one.name: (one, {"worker", *one.labels}) for one in catalogue.WORKER
}

#: What of PromQL the queries use, with its labels in parentheses.
FUNCTIONS = {
    "absent", "and", "by", "count", "histogram_quantile", "increase", "label_values", "le", "max",
    "or", "rate", "sum", "topk",
}  # fmt: skip

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana/flowforge.json").read_text())
RULES: list[dict[str, Any]] = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())[
    "groups"
][0]["rules"]

PANELS: list[dict[str, Any]] = DASHBOARD["panels"]


def queries() -> Iterator[tuple[str, str]]:
    """Where a query stands, and the query."""
    for panel in PANELS:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']}", target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield f"variable {variable['name']}", variable["query"]["query"]
    for rule in RULES:
        yield rule["alert"], rule["expr"]


def exported(name: str) -> tuple[Metric, set[str]]:
    """The metric that a sample of this name belongs to, with its labels."""
    stem = re.sub(r"_(bucket|sum|count)$", "", name)
    if name not in METRICS and stem in METRICS:
        metric, labels = METRICS[stem]
        assert metric.kind == "histogram", name
        return metric, labels | ({"le"} if name.endswith("_bucket") else set())
    assert name in METRICS, f"{name} is not exported"
    assert METRICS[name][0].kind != "histogram", f"{name} has _bucket, _sum and _count"
    return METRICS[name]


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_a_query_asks_for_what_is_exported(where: str, query: str) -> None:
    """By the names of samples, with labels that they have; counters are asked for their rate."""
    for opened, closed in ("()", "{}", "[]"):
        assert query.count(opened) == query.count(closed), query
    bare = re.sub(r'"[^"]*"', '""', query)
    names = re.findall(r"flowforge_\w+", bare)
    assert names
    known: set[str] = set()
    for name in names:
        metric, labels = exported(name)
        known |= labels
        if metric.kind != "gauge" and "label_values" not in query:
            assert re.search(rf"(rate|increase)\({name}(\{{[^}}]*\}})?\[", bare), query
    for name, matchers in re.findall(r"(flowforge_\w+)\{([^}]*)\}", bare):
        used = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"\"", matchers))
        assert used <= exported(name)[1], f"{where}: {name} has no {used - exported(name)[1]}"
    for group in re.findall(r"\bby \(([^)]*)\)", bare):
        assert {label.strip() for label in group.split(",")} <= known, where
    words = set(re.findall(r"\b[a-z_]+\b(?![\"=!])", re.sub(r"\{[^}]*\}|\[[^\]]*\]", "", bare)))
    assert words - set(names) - known <= FUNCTIONS, where


def test_the_dashboard_is_one_that_grafana_loads() -> None:
    """Panels with ids of their own, side by side within 24 columns, that do not overlap."""
    assert {"title", "uid", "schemaVersion", "templating", "time"} <= DASHBOARD.keys()
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] in ("row", "stat", "timeseries")
        assert panel["type"] == "row" or len({t["refId"] for t in panel["targets"]}) == len(
            panel["targets"]
        )


def test_the_dashboard_names_its_data_source_by_a_variable() -> None:
    """So that it can be imported anywhere; the other variables come from the metrics."""
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    source = {"type": "prometheus", "uid": "${datasource}"}
    for panel in PANELS:
        for asked in panel.get("targets", []):
            assert asked["datasource"] == panel["datasource"] == source
            assert set(re.findall(r"\$(\w+)", asked["expr"])) <= {*variables, "__rate_interval"}


def test_every_metric_is_shown_or_alerts() -> None:
    """Of those that are left to other programs each is named here."""
    asked = {name for _, query in queries() for name in re.findall(r"flowforge_\w+", query)}
    asked |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    left = {
        "flowforge_queue_unclaimed", "flowforge_dead_letters", "flowforge_worker_info",
        "flowforge_fair_keys", "flowforge_fair_messages",
    }  # fmt: skip
    assert METRICS.keys() - asked == left


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_the_command_that_explains_it(rule: dict[str, Any]) -> None:
    """One of the program, with options that it has."""
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"FlowForge([A-Z][a-z]+)+", rule["alert"])
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"]["summary"]
    text = re.sub(r"\{\{.*?\}\}", "x", rule["annotations"]["command"])
    program, name, *arguments = shlex.split(text)
    assert program == "flowforge"
    command = cli.get_command(click.Context(cli), name)
    assert command is not None, name
    context = click.Context(command, info_name=name)
    command.parse_args(context, arguments)


def test_the_names_of_alerts_are_their_own() -> None:
    """Prometheus would take two of one name for one."""
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
