"""Running rounds, each in a process of its own, a few at a time."""

from __future__ import annotations

import contextlib
import multiprocessing
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.chaos.harness.round import Result, Round, play
from tests.chaos.harness.rounds import pick


def run_all(
    rounds: Sequence[Round],
    build: Path,
    *,
    seed: int,
    scale: float,
    profile: str,
    side_by_side: int,
    told: Callable[[Result], None],
) -> list[Result]:
    """Run rounds and return their results by row; `told` hears of each as it ends.

    Those that measure times run by themselves, after the others.
    """
    shared = sorted((one for one in rounds if not one.alone), key=lambda one: not one.first)
    alone = [one for one in rounds if one.alone]
    results: list[Result] = []
    for group, width in ((shared, side_by_side), (alone, 1)):
        # A fresh process for each: nothing of a round that broke reaches the next.
        with ProcessPoolExecutor(
            width, multiprocessing.get_context("spawn"), max_tasks_per_child=1
        ) as pool:
            started = [pool.submit(_one, o.name, build, seed, scale, profile) for o in group]
            for done in as_completed(started):
                results.append(done.result())
                told(results[-1])
    return sorted(results, key=lambda result: (result.row, result.name))


def _one(name: str, build: Path, seed: int, scale: float, profile: str) -> Result:
    """Run one round. Its directory stays when it failed, with every log."""
    (one,) = pick(name)
    directory = build / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with (directory / "output.log").open("w") as log, contextlib.redirect_stdout(log):
        result = play(one, directory, seed, scale, profile)
    if result.passed:
        shutil.rmtree(directory)
    return result
