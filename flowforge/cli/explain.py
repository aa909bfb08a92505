"""``flowforge explain``: why a job stands where it does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import click
from rich.text import Text

from flowforge.cli.options.arguments import job_argument
from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import (
    compact,
    json_option,
    local_time,
    one_line,
    print_json,
    print_text,
)
from flowforge.common.duration import duration
from flowforge.model.jobs.job_finding import FindingKind, JobFinding

#: How a finding of a kind looks: what stands in the way, and what may be a fault.
_STYLES = {
    FindingKind.OUTAGE: "red",
    FindingKind.FAILED: "red",
    FindingKind.STUCK: "red",
    FindingKind.UNSERVED: "red",
    FindingKind.UNKNOWN_CLASS: "red",
    FindingKind.PAUSED: "yellow",
    FindingKind.PARENT: "yellow",
    FindingKind.BREAKPOINT: "yellow",
    FindingKind.QUEUE_PAUSED: "yellow",
    FindingKind.TIMER: "yellow",
    FindingKind.LIMIT: "yellow",
    FindingKind.DELAY: "cyan",
    FindingKind.RUNNING: "cyan",
    FindingKind.COMPLETED: "green",
}

#: Seconds within which a time is shown without its date: half a day, since a clock that is nearly a
#: day away reads like one of just now.
_CLOCK_ALONE = 43_200

#: Columns of the longest kind, ``unknown_class`` and ``max_in_flight``.
_KIND = 13


@click.command("explain")
@job_argument
@json_option
@pass_session
def explain(session: Session, job_id: str, as_json: bool) -> None:
    """Say why a job stands where it does, and what lets it go on."""
    findings = session.engine(job_id).explain(job_id)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        print_findings(findings)


def print_findings(findings: Iterable[JobFinding]) -> None:
    """One line for each."""
    for finding in findings:
        kind = FindingKind(finding.kind)
        style = "red" if finding.details.get("stuck") else _STYLES.get(kind, "")
        line = Text(f"{finding.kind:<{_KIND}}", style)
        what = f"{one_line(finding.what, 500)}{_params(finding)}{_times(finding)}"
        line.append(f"  {what}", "default")
        if finding.command:
            line.append(f"  -> {one_line(finding.command, 500)}{_otherwise(finding)}", "default")
        print_text(line)


def _params(finding: JobFinding) -> str:
    """What the handler got, where the finding is about one invocation."""
    params = finding.details.get("params")
    return f"; params {compact(params)}" if params else ""


def _otherwise(finding: JobFinding) -> str:
    """How the same is done without the invocation, with other params, or in a browser."""
    details = finding.details
    skip, edit, url = (details.get(name) for name in ("skip_command", "edit_command", "url"))
    text = f", or without it {one_line(skip, 500)} before that" if skip else ""
    text += f", with other params {one_line(edit, 500)}" if edit else ""
    return f"{text}, or {one_line(url, 500)}" if url else text


def _times(finding: JobFinding) -> str:
    since = "" if finding.since is None else f", since {time_and_distance(finding.since)}"
    verb = "starts at" if finding.kind == FindingKind.DELAY else "until"
    until = "" if finding.until is None else f", {verb} {time_and_distance(finding.until)}"
    return since + until


def time_and_distance(at: datetime) -> str:
    """The time here, and how far it is."""
    seconds = (datetime.now(at.tzinfo) - at).total_seconds()
    form = "%H:%M:%S" if abs(seconds) < _CLOCK_ALONE else "%Y-%m-%d %H:%M:%S"
    far = f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
    return f"{local_time(at, form)} ({far})"
