"""``python -m benchmarks.dashboard``: what open pages of the dashboard cost a fleet at full load.

Two workers run chains of steps that do nothing, as fast as they can, on a server of their own.
Twelve browsers have six pages of the dashboard open. In turns of some seconds the dashboard runs
and is stopped as it stands (SIGSTOP), and each turn is compared with its neighbour.

The rate of the workers varies by more than the dashboard takes, so processor time is compared too:
what the dashboard takes of the machine's cores, and what a step takes of the server and of the
workers. On a machine at full load the workers lose as many steps as these two leave no time for;
where a core is idle now and then, they lose less. Takes about half an hour. ``--write`` puts the
figures into docs/explanation/performance.md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
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

#: Seconds until everything runs as it will, and between a change and what is measured.
WARM, SETTLE = 10.0, 0.1

#: Part of the workers' rate that the dashboard may cost.
LIMIT = 0.02

MARKERS = ("<!-- dashboard: begin -->", "<!-- dashboard: end -->")


class Figures(NamedTuple):
    """Of one turn: a second each."""

    steps: float
    #: Processor time, in seconds: of the server, the workers, the dashboard, this process with its
    #: browsers, and the whole machine.
    server: float
    workers: float
    dashboard: float
    browsers: float
    machine: float
    #: Messages that the browsers have got.
    messages: float

    @property
    def a_step(self) -> float:
        """Processor time of the fleet for a step, in seconds."""
        return (self.server + self.workers) / self.steps


class Pair(NamedTuple):
    """Two turns, one after the other: the dashboard stopped, and running."""

    without: Figures
    with_it: Figures

    @property
    def fewer_steps(self) -> float:
        """The part of the steps that were not made."""
        return 1 - self.with_it.steps / self.without.steps

    @property
    def taken(self) -> float:
        """The part of the machine that the dashboard has taken."""
        return self.with_it.dashboard / (os.cpu_count() or 1)

    @property
    def dearer(self) -> float:
        """By how much a step took more processor time."""
        return self.with_it.a_step / self.without.a_step - 1

    @property
    def left_out(self) -> float:
        """The part of the steps for which a machine without idle time has no time left."""
        return 1 - (1 - self.taken) / (1 + self.dearer)


class Bench:
    """A fleet at full load, and its dashboard with browsers."""

    def __init__(self, stage: Stage, site: Site, jobs: list[JobState], seconds: float) -> None:
        self._stage, self._site, self._jobs, self._seconds = stage, site, jobs, seconds
        job = jobs[0]
        self.pages = [
            "/", "/jobs", "/jobs?status=running", f"/jobs/{job.job_id}",
            f"/flows/one?id={job.flow_id}", "/workers",
        ]  # fmt: skip
        self.readers = [Reader(site, page) for page in self.pages * BROWSERS]

    def close(self) -> None:
        """Let the browsers leave."""
        self._site.go_on()
        for reader in self.readers:
            reader.close()

    def pair(self, *, begins_without: bool) -> Pair:
        """A turn with the dashboard and one without."""
        if begins_without:
            without = self._without()
            return Pair(without, self._with())
        with_it = self._with()
        return Pair(self._without(), with_it)

    def _without(self) -> Figures:
        self._site.pause()
        return self._measured()

    def _with(self) -> Figures:
        self._site.go_on()
        return self._measured()

    def _measured(self) -> Figures:
        time.sleep(SETTLE)
        before = self._now()
        time.sleep(self._seconds)
        after = self._now()
        took, *numbers = (late - early for early, late in zip(before, after, strict=True))
        return Figures(*(number / took for number in numbers))

    def _now(self) -> tuple[float, ...]:
        steps = sum(job.progress().done for job in self._jobs)
        return (
            time.perf_counter(), steps, clocks.cpu_seconds(self._stage.server.pid),
            self._stage.workers_seconds(), clocks.tree_seconds([self._site.pid]),
            time.process_time(), clocks.machine_seconds(),
            sum(reader.changes for reader in self.readers),
        )  # fmt: skip


def measure(bench: Bench, pairs: int) -> list[Pair]:
    """Turns without and with the dashboard; every other pair begins with the other one."""
    found = []
    for number in range(pairs):
        pair = bench.pair(begins_without=number % 2 == 0)
        found.append(pair)
        print(
            f"pair {number + 1}: {pair.without.steps:,.0f} steps/s, with the dashboard "
            f"{pair.with_it.steps:,.0f}; it takes {pair.taken:.2%} of the machine, a step "
            f"{pair.dearer:+.1%}",
            file=sys.stderr, flush=True,
        )  # fmt: skip
    return found


def report(pairs: list[Pair], browsers: int, seconds: float) -> str:
    """What stands in the documentation."""
    without = _medians([pair.without for pair in pairs])
    with_it = _medians([pair.with_it for pair in pairs])
    cores = os.cpu_count() or 1
    idle = [max(0.0, 1 - one.machine / cores) for one in (without, with_it)]
    low, high = interval(sorted(pair.left_out for pair in pairs))
    lines = [
        f"| | Without | With {browsers} browsers |",
        "|---|--:|--:|",
        f"| Steps a second | {without.steps:,.0f} | {with_it.steps:,.0f} |",
        f"| Processor time for a step: workers | {_micro(without.workers, without)} | "
        f"{_micro(with_it.workers, with_it)} |",
        f"| Processor time for a step: server | {_micro(without.server, without)} | "
        f"{_micro(with_it.server, with_it)} |",
        f"| Dashboard: part of a core | {without.dashboard:.1%} | {with_it.dashboard:.1%} |",
        f"| Browsers, and what measures: part of a core | {without.browsers:.1%} | "
        f"{with_it.browsers:.1%} |",
        f"| Idle: part of the {cores} cores | {idle[0]:.1%} | {idle[1]:.1%} |",
        f"| Messages a second to the browsers | | {with_it.messages:.1f} |",
        "",
        f"Medians of {len(pairs)} pairs of turns of {seconds:g} seconds, with where they are with "
        "95 % confidence:",
        "",
        "| | Median | From | To |",
        "|---|--:|--:|--:|",
        _row(f"The dashboard's part of the {cores} cores", pairs, lambda one: one.taken),
        _row("A step takes more processor time", pairs, lambda one: one.dearer),
        _row("Both together: steps that are left out", pairs, lambda one: one.left_out),
        _row("Fewer steps, as counted", pairs, lambda one: one.fewer_steps),
        "",
        f"Less than {LIMIT:.0%} of the steps are left out: {verdict(low, high)}.",
    ]
    return "\n".join(lines)


def verdict(low: float, high: float) -> str:
    """What the interval shows; on a machine with other load it is wide and shows nothing."""
    if high < LIMIT:
        return "met"
    return "NOT MET" if low >= LIMIT else "not shown"


def _medians(figures: Sequence[Figures]) -> Figures:
    return Figures(*(median(one) for one in zip(*figures, strict=True)))


def _row(text: str, pairs: Sequence[Pair], read: Callable[[Pair], float]) -> str:
    values = sorted(read(pair) for pair in pairs)
    low, high = interval(values)
    return f"| {text} | {median(values):.2%} | {low:.2%} | {high:.2%} |"


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Where the true median is with 95 % confidence, of sorted values: between those that as many
    of the values lie outside of as a fair coin shows heads in at most 2.5 % of all cases.
    """
    number, outside, chance = len(values), 0, 0.5 ** len(values)
    while chance <= 0.025 and outside < number // 2:
        outside += 1
        chance += comb(number, outside) * 0.5**number
    # With too few values, all of them; that is less than 95 %.
    outside = max(outside, 1)
    return values[outside - 1], values[-outside]


def _micro(seconds: float, figures: Figures) -> str:
    return f"{seconds / figures.steps * 1e6:.1f} us"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--pairs", type=int, default=240)
    parser.add_argument("--seconds", type=float, default=4.0)
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
            try:
                time.sleep(WARM)
                pairs = measure(bench, arguments.pairs)
            finally:
                bench.close()
        text = report(pairs, len(bench.readers), arguments.seconds)
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
