"""The producer of the nested job: ``python -m examples.nested.submit [--build DIR]``.

Submits to the Redis of ``FLOWFORGE_REDIS_URL``, or to the embedded engine without one, shows a
line for every routine while workers run, and prints where the result is. Exit status 0 only when
the job has completed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from examples.nested.flow import flow
from examples.watching import follow
from flowforge import JobState


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build", help="directory of the result (default: build)")
    parser.add_argument("--carriers", type=int, default=0, help="only the first N (default: all)")
    parser.add_argument("--timeout", type=float, default=600.0, help="seconds (default: 600)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    console = Console()
    job = flow.execute(
        entry_routine_id="split",
        entry_params={
            "build": str(Path(options.build).resolve()),
            "first_carriers": options.carriers,
        },
    )
    status = follow(job, flow, options.timeout, console)
    if status == 0:
        say(job, console)
    return status


def say(job: JobState, console: Console) -> None:
    (output,) = job.result(timeout=5)
    found = output.params
    console.print(
        f"{found['flights']:,} flights by {found['aircraft']:,} aircraft of {found['carriers']} "
        f"carriers: {found['distance']:,} miles, {found['air_time']:,} minutes in the air.\n"
        f"Figures: {found['result']}",
        soft_wrap=True,
        highlight=False,
    )


if __name__ == "__main__":
    sys.exit(main())
