"""The part of the page that says which job made it: its graph, and when each routine ran.

The submitter adds it when the job has ended: what the job itself writes is a pure function of data.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from examples.flights.sections import note, section
from examples.flights.tables import NOTHING, cell, row, table
from examples.flights.workspace import write_text
from flowforge import Flow, JobState
from flowforge.cli.drawing.subject import Subject
from flowforge.cli.drawing.svg import svg
from flowforge.store.fleet_reads.usual_times import mean_seconds

#: Where the page has room for it.
PLACE = "<!-- the job -->"

State = Mapping[str, Any]


def add_job(path: Path, job: JobState, flow: Flow) -> None:
    """Replace the page by one that names the job; one on another machine stays as it is."""
    if not path.exists():
        return
    html = path.read_text("utf-8")
    write_text(path, html.replace(PLACE, job_section(job, flow), 1))


def job_section(job: JobState, flow: Flow) -> str:
    """How the job did it, and how to open it in the dashboard."""
    states = job.routine_states
    intro = (
        f"Job <code>{escape(job.job_id)}</code> of the flow <code>{escape(job.flow_id)}</code> "
        "made this page. <code>make demo-ui</code> opens the dashboard on the job of "
        "<code>make demo</code>."
    )
    drawing = graph(Subject(flow.definition(), job.job_id, str(job.status), states))
    return section("The job that made this page", note(intro), drawing, times(states), kind="wide")


def graph(subject: Subject) -> str:
    """What ``flowforge graph --svg`` draws, its styles kept to itself."""
    try:
        from flowforge.web.graph.layout import layout  # noqa: PLC0415
        from flowforge.web.graph.picture import picture  # noqa: PLC0415
    except ImportError:
        return note("The graph is drawn with <code>pip install 'flowforge[web]'</code>.")
    placed = layout(subject.definition)
    if placed is None:
        return note("The graph is drawn with <code>pip install 'flowforge[web]'</code>.")
    states = {spec.id: subject.states.get(spec.id, {}) for spec in subject.definition.routines}
    text = svg(subject, picture(subject.definition, placed, states))
    own = text.replace("<style>", "<style>.drawn {").replace("</style>", "}</style>")
    label = escape(subject.title)
    return f'<div class="scroll drawn" role="group" tabindex="0" aria-label="{label}">{own}</div>'


def times(states: Mapping[str, State]) -> str:
    """When each routine began and ended, in seconds from the first start."""
    ran = {name: state for name, state in states.items() if state.get("started_at")}
    begin = min((state["started_at"] for state in ran.values()), default=None)
    rows = [_row(name, state, begin) for name, state in ran.items()]
    heads = ("Routine", "First start, s", "Last end, s", "Attempts", "Mean time, ms")
    return table("When each routine ran, from the first start of all.", heads, rows)


def _row(name: str, state: State, begin: Any) -> str:
    ended = state.get("ended_at")
    attempts, mean = state["started"], mean_seconds(state)
    return row(
        f"<code>{escape(name)}</code>",
        cell(f"{(state['started_at'] - begin).total_seconds():.1f}"),
        cell(f"{(ended - begin).total_seconds():.1f}" if ended else NOTHING),
        cell(f"{attempts:,}"),
        cell(NOTHING if mean is None else f"{1000 * mean:.1f}"),
    )
