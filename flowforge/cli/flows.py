"""``flowforge flows``: how many jobs each flow has, and what it did lately."""

from __future__ import annotations

from collections.abc import Sequence

import click

from flowforge.cli.session import Session, pass_session
from flowforge.cli.terminal.render import json_option, one_line, print_json, say
from flowforge.cli.terminal.sparkline import sparkline
from flowforge.cli.terminal.tables import print_table
from flowforge.engine.finding.flow_counts import flow_counts
from flowforge.engine.fleet.throughput import DAY, HOUR, throughput
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.throughput import Done

#: Characters in which a period is shown: a bar for four of its times.
_WIDTHS = {HOUR: 15, DAY: 24}


@click.command("flows")
@click.option("--day", is_flag=True, help="Show the last day, and not the last hour.")
@json_option
@pass_session
def flows(session: Session, day: bool, as_json: bool) -> None:
    """List the flows that have jobs, with how many of them have each status.

    Behind them the jobs that ended in each minute of the last hour, or with --day in each quarter
    of an hour of the last day, and those that failed.
    """
    period = DAY if day else HOUR
    found = flow_counts(session.engines())
    rates = throughput(session.engines(), period)
    if as_json:
        name = "last_day" if day else "last_hour"
        print_json(
            [
                {
                    "flow_id": flow_id,
                    "counts": counts,
                    name: [_plain(one) for one in rates.of(flow_id)],
                }
                for flow_id, counts in found.items()
            ]
        )
    elif found:
        columns = ["<FLOW", *(f">{status.value.upper()}" for status in JobStatus)]
        print_table(
            [*columns, "ENDED", "FAILED"],
            [
                [
                    one_line(flow_id),
                    *map(str, counts.values()),
                    *_shown(rates.of(flow_id), _WIDTHS[period]),
                ]
                for flow_id, counts in found.items()
            ],
        )
    else:
        say("no jobs yet", err=True)


def _plain(done: Done | None) -> dict[str, int] | None:
    if done is None:
        return None
    return {
        "created": done.created,
        "ended": done.ended,
        "completed": done.completed,
        "failed": done.failed,
        "cancelled": done.cancelled,
        "attempts": done.attempts,
        "failed_attempts": done.failed_attempts,
        "lost_attempts": done.lost_attempts,
    }


def _shown(rates: Sequence[Done | None], width: int) -> tuple[str, str]:
    """Jobs that ended, and that failed, as lines."""
    return (
        sparkline([None if one is None else one.ended for one in rates], width),
        sparkline([None if one is None else one.failed for one in rates], width),
    )
