"""The producer of the flights job: ``python -m examples.flights.submit [--build DIR]``.

Submits to the Redis of ``FLOWFORGE_REDIS_URL``, or to the embedded engine without one, shows a
line for every routine while workers run, and prints where the result is. Exit status 0 only when
the job has completed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from examples.flights.flow import flow
from examples.flights.job_section import add_job
from examples.watching import follow
from flowforge import JobState


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="directory of the result (default: build)")
    parser.add_argument("--days", type=int, default=0, help="only the first N days (default: all)")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds (default: 600)")
    parser.add_argument(
        "--outages",
        type=int,
        default=1,
        help="how many attempts of the first step fail on purpose, to show a retry (default: 1)",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    console = Console()
    job = flow.execute(
        entry_routine_id="fetch",
        entry_params={
            "build": str(Path(options.build).resolve()),
            "outages": options.outages,
            "first_days": options.days,
        },
    )
    status = follow(job, flow, options.timeout, console)
    if status == 0:
        say(job, console)
    return status


def say(job: JobState, console: Console) -> None:
    outputs = job.result(timeout=5)
    (found,) = (output.params for output in outputs if output.event == "published")
    add_job(Path(found["page"]), job, flow)
    notices = sum(output.event == "notice" for output in outputs)
    console.print(
        f"{found['flights']:,} flights on {found['days']:,} days, "
        f"{found['cancelled']:,} of them cancelled; {notices} notices of bad rows.\n"
        f"Figures: {found['result']}\nPage:    {found['page']}",
        soft_wrap=True,
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main())
