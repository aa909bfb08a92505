"""``flowforge flows``: how many jobs each flow has."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flowforge.cli.render import json_option, one_line, print_json, say
from flowforge.cli.session import Session, pass_session
from flowforge.cli.sparkline import sparkline
from flowforge.cli.tables import print_table
from flowforge.engine.flow_counts import flow_counts
from flowforge.engine.flow_rates import FlowRate, flow_rates
from flowforge.model.status import JobStatus

#: Minutes that are shown, and characters in which they are.
_MINUTES = 60
_WIDTH = 15


@click.command("flows")
@json_option
@pass_session
def flows(session: Session, as_json: bool) -> None:
    """List the flows that have jobs, with how many of them have each status.

    Behind them the jobs that ended in each minute of the last hour, and those that failed.
    """
    found = flow_counts(session.engines())
    rates = flow_rates(session.engines(), _MINUTES)
    if as_json:
        print_json(
            [
                {
                    "flow_id": flow_id,
                    "counts": counts,
                    "last_hour": [_plain(one) for one in rates.get(flow_id, [])],
                }
                for flow_id, counts in found.items()
            ]
        )
    elif found:
        columns = ["<FLOW", *(f">{status.value.upper()}" for status in JobStatus)]
        print_table(
            [*columns, "ENDED", "FAILED"],
            [
                [one_line(flow_id), *map(str, counts.values()), *_shown(rates.get(flow_id, []))]
                for flow_id, counts in found.items()
            ],
        )
    else:
        say("no jobs yet", err=True)


def _plain(rate: FlowRate | None) -> dict[str, int] | None:
    return None if rate is None else {"ended": rate.ended, "failed": rate.failed}


def _shown(rates: Sequence[FlowRate | None]) -> tuple[str, str]:
    """Jobs that ended, and that failed, as lines."""
    return (
        sparkline([None if one is None else one.ended for one in rates], _WIDTH),
        sparkline([None if one is None else one.failed for one in rates], _WIDTH),
    )
