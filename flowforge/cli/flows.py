"""``flowforge flows``: how many jobs each flow has."""

from __future__ import annotations

import click

from flowforge.cli.render import json_option, one_line, print_json, say
from flowforge.cli.session import Session, pass_session
from flowforge.cli.tables import print_table
from flowforge.engine.flow_counts import flow_counts
from flowforge.model.status import JobStatus


@click.command("flows")
@json_option
@pass_session
def flows(session: Session, as_json: bool) -> None:
    """List the flows that have jobs, with how many of them have each status."""
    found = flow_counts(session.engines())
    if as_json:
        print_json([{"flow_id": flow_id, "counts": counts} for flow_id, counts in found.items()])
    elif found:
        columns = ["<FLOW", *(f">{status.value.upper()}" for status in JobStatus)]
        print_table(
            columns,
            [[one_line(flow_id), *map(str, counts.values())] for flow_id, counts in found.items()],
        )
    else:
        say("no jobs yet", err=True)
