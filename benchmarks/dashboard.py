"""``python -m benchmarks.dashboard``: what open pages of the dashboard cost a fleet at full load.

Two workers run chains of steps that do nothing, as fast as they can, on a server of their own. The
dashboard runs all the time; in turns nobody looks at it, and browsers have its pages open. The
steps a second of neighbouring times are compared. On one machine the dashboard also takes of the
processor that the workers use, so the figures say apart what it takes of the server. Takes about
eight minutes. ``--write`` puts the figures into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from math import comb
from statistics import median
from typing import NamedTuple

from benchmarks.frame import clocks
from benchmarks.frame.site import Reader, Site
from benchmarks.frame.stage import Stage
from benchmarks.page import PAGE, replaced
from flowforge import JobState
from flowforge.engine.current import current_engine

#: Chains that run at the same time, steps of each, which are more than are run, and workers.
CHAINS, STEPS, WORKERS = 8, 10**9, 2

#: Browsers that have each page open.
BROWSERS = 2

#: Seconds that is waited before a time is measured.
SETTLE = 1.5

#: Part of the workers' rate that the dashboard may cost.
LIMIT = 0.02

MARKERS = ("<!-- dashboard: begin -->", "<!-- dashboard: end -->")


class Figures(NamedTuple):
    """Of one stretch of time: a second each."""

    steps: float
    #: Processor time of the server and of the dashboard, in seconds.
    server: float
    dashboard: float
    #: Messages that the browsers have got.
    messages: float


class Bench:
    """A fleet at full load, and its dashboard."""

    def __init__(self, stage: Stage, site: Site, jobs: list[JobState], seconds: float) -> None:
        self._stage, self._site, self._jobs, self._seconds = stage, site, jobs, seconds
        job = jobs[0]
        self.pages = [
            "/", "/jobs", "/jobs?status=running", f"/jobs/{job.job_id}",
            f"/flows/one?id={job.flow_id}", "/workers",
        ]  # fmt: skip

    def quiet(self) -> Figures:
        """Nobody looks."""
        return self._measured([])

    def watched(self) -> Figures:
        """Browsers have all pages open."""
        readers = [Reader(self._site, page) for page in self.pages * BROWSERS]
        try:
            return self._measured(readers)
        finally:
            for reader in readers:
                reader.close()

    def _measured(self, readers: list[Reader]) -> Figures:
        time.sleep(SETTLE)
        before = self._now(readers)
        time.sleep(self._seconds)
        after = self._now(readers)
        took, *numbers = (late - early for early, late in zip(before, after, strict=True))
        return Figures(*(number / took for number in numbers))

    def _now(self, readers: list[Reader]) -> tuple[float, ...]:
        steps = sum(job.progress().done for job in self._jobs)
        return (
            time.perf_counter(), steps, clocks.cpu_seconds(self._stage.server.pid),
            clocks.tree_seconds([self._site.pid]), sum(reader.changes for reader in readers),
        )  # fmt: skip


def measure(bench: Bench, rounds: int) -> list[tuple[Figures, Figures]]:
    """Quiet and watched times in turns; every other round begins with the other one."""
    found = []
    for number in range(rounds):
        if number % 2:
            watched = bench.watched()
            found.append((bench.quiet(), watched))
        else:
            quiet = bench.quiet()
            found.append((quiet, bench.watched()))
        pair = found[-1]
        print(
            f"round {number + 1}: {pair[0].steps:,.0f} steps/s, watched {pair[1].steps:,.0f}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    return found


def report(found: list[tuple[Figures, Figures]], browsers: int) -> str:
    """What stands in the documentation."""
    costs = sorted(1 - watched.steps / quiet.steps for quiet, watched in found)
    cost, (low, high) = median(costs), interval(costs)
    quiet = Figures(*(median(one) for one in zip(*(pair[0] for pair in found), strict=True)))
    watched = Figures(*(median(one) for one in zip(*(pair[1] for pair in found), strict=True)))
    server = watched.server / watched.steps / (quiet.server / quiet.steps) - 1
    lines = [
        f"| | No page open | {browsers} browsers |",
        "|---|--:|--:|",
        f"| Steps a second | {quiet.steps:,.0f} | {watched.steps:,.0f} |",
        f"| Server: processor time for a step | {_micro(quiet)} us | {_micro(watched)} us |",
        f"| Dashboard: part of a core | {quiet.dashboard:.1%} | {watched.dashboard:.1%} |",
        f"| Messages a second to the browsers | | {watched.messages:.1f} |",
        "",
        f"Fewer steps a second: {cost:.1%} (the median of {len(found)} rounds; with 95 % "
        f"confidence {low:.1%} to {high:.1%}); the server's time for a step: {server:+.1%}; "
        f"{verdict(low, high)}: less than {LIMIT:.0%}.",
    ]
    return "\n".join(lines)


def interval(costs: list[float]) -> tuple[float, float]:
    """Where the true median is with 95 % confidence, of sorted values: between those that as many
    of the values lie outside of as a fair coin shows heads in at most 2.5 % of all cases.
    """
    number, outside, chance = len(costs), 0, 0.5 ** len(costs)
    while chance <= 0.025 and outside < number // 2:
        outside += 1
        chance += comb(number, outside) * 0.5**number
    # With too few values, all of them; that is less than 95 %.
    outside = max(outside, 1)
    return costs[outside - 1], costs[-outside]


def verdict(low: float, high: float) -> str:
    """What the interval shows; on a machine with other load it is wide and shows nothing."""
    if high < LIMIT:
        return "met"
    return "NOT MET" if low >= LIMIT else "not shown"


def _micro(figures: Figures) -> str:
    return f"{figures.server / figures.steps * 1e6:.1f}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    if not clocks.supported():
        print("The benchmark needs Linux: it reads /proc.", file=sys.stderr)
        return 2
    with Stage(pinned=False) as stage:
        flow = stage.load("flows").chain
        stage.start_flowforge(count=WORKERS)
        jobs = [flow.execute("step", {"n": STEPS}) for _ in range(CHAINS)]
        with Site(stage.server.url) as site:
            bench = Bench(stage, site, jobs, arguments.seconds)
            text = report(measure(bench, arguments.rounds), len(bench.pages) * BROWSERS)
        for job in jobs:
            job.cancel()
    current_engine().close()
    print(text)
    print(f"load {os.getloadavg()[0]:.1f}")
    if arguments.write:
        PAGE.write_text(replaced(PAGE.read_text(), text, MARKERS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
