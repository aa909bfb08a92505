"""One job on the screen: why it stands where it does, its routines, their latest errors."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from rich.text import Text

from flowforge.cli.fleet_screen.grid import Column, fitted, grid
from flowforge.cli.fleet_screen.look import OpenJob
from flowforge.cli.terminal.render import amounts, labels_shown, local_time, one_line, status_text
from flowforge.common.duration import duration
from flowforge.store.fleet_reads.usual_times import mean_seconds

#: Findings that are told, and lines of each.
_FINDINGS, _LINES = 6, 3


def open_job_lines(job: OpenJob, width: int) -> list[Text]:
    """Lines of at most ``width`` cells, what matters most first."""
    return list(_lines(job, width))


def _lines(job: OpenJob, width: int) -> Iterator[Text]:
    summary = job.summary
    head = Text(f"job {summary.job_id} of flow {one_line(summary.flow_id)}: ", "bold")
    yield head.append_text(status_text(summary.status))
    created = f"created {local_time(summary.created_at)}, work: {amounts(summary.counts)}"
    labels = f", {labels_shown(summary.labels)}" if summary.labels else ""
    yield Text(fitted(created + labels, width))
    yield Text("")
    for finding in job.findings[:_FINDINGS]:
        command = f" -> {finding.command}" if finding.command else ""
        told = one_line(f"{finding.kind}: {finding.what}{command}", 500)
        for line in wrap(told, max(20, width - 2), subsequent_indent="  ")[:_LINES]:
            yield Text(line)
    if len(job.findings) > _FINDINGS:
        yield Text(f"and {len(job.findings) - _FINDINGS} more: flowforge explain {summary.job_id}")
    yield Text("")
    header, *rows = grid(_COLUMNS, [_row(*one) for one in job.routines.items()], width)
    yield Text(header, "bold")
    yield from map(Text, rows)
    errors = [(name, s["last_error"]) for name, s in job.routines.items() if s.get("last_error")]
    if errors:
        yield Text("")
        yield Text("latest errors", "bold")
    for name, error in errors:
        at = local_time(error["when"], "%H:%M:%S")
        told = one_line(f"{at}  {name}: {error['type']}: {error['message']}", 500)
        yield Text(fitted(told, width), "red")


_COLUMNS = [
    Column("ROUTINE", cut=True), Column("STATUS"), Column("DONE", right=True),
    Column("RUNNING", right=True), Column("RETRIED", right=True, spare=1),
    Column("FAILED", right=True), Column("LOST", right=True, spare=2),
    Column("MEAN", right=True, spare=3),
]  # fmt: skip


def _row(routine_id: str, state: dict[str, Any]) -> list[str]:
    mean = mean_seconds(state)
    counts = (state[name] for name in ("completed", "running", "retried", "failed", "lost"))
    return [
        routine_id, one_line(str(state["status"]), 20), *(f"{count:,}" for count in counts),
        "-" if mean is None else duration(mean),
    ]  # fmt: skip
