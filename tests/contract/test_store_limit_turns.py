"""Several limits of one invocation: it starts although others take the places of each of them."""

from __future__ import annotations

import random

import pytest

from tests.contract.bench import Bench
from tests.contract.limit_work import declare, finish, places, pop, sent, submit, waiting
from tests.support.virtual_clock import VirtualClock


def start_next(bench: Bench) -> str:
    """A worker takes the next message."""
    job = sent(bench)[0]
    pop(bench)
    bench.start(job)
    return job


def promised(bench: Bench) -> dict[str, str]:
    """Key -> the job for which a place of it is kept."""
    found = bench.hash("limit_promises")
    return {key: text.decode().split()[1].partition("/")[0] for key, text in found.items()}


def rounds_until_started(bench: Bench, wanted: str, *keys: str) -> int:
    """As many jobs come at each key as go; how often, until ``wanted`` is started."""
    running = [start_next(bench) for _ in keys]
    for number in range(50):
        bench.commit(running.pop(0))
        submit(bench, keys[number % len(keys)])
        running += [start_next(bench) for _ in sent(bench)]
        if wanted in running:
            return number
    raise AssertionError("it has not started")


@pytest.mark.parametrize("keys", [("a", "b"), ("a", "b", "c")])
def test_what_needs_several_full_limits_starts(timed_bench: Bench, keys: tuple[str, ...]) -> None:
    """Its turn comes at one while the other is full, and so on; at last each keeps a place."""
    for key in keys:
        declare(timed_bench, key, running=1)
        for _ in range(2):
            submit(timed_bench, key)
    wanted = submit(timed_bench, *keys)
    assert rounds_until_started(timed_bench, wanted, *keys) <= 4 * len(keys)
    assert promised(timed_bench) == {}


def keep_b(bench: Bench) -> tuple[str, str]:
    """A job for which a place of ``b`` is kept while ``a`` is full, and the next one of ``b``."""
    a, b = submit(bench, "a"), submit(bench, "b")
    wanted = submit(bench, "a", "b")
    others, further = submit(bench, "a"), submit(bench, "b")
    finish(bench, a)
    assert (waiting(bench, "b"), promised(bench)) == ([wanted, further], {})
    bench.start(others)
    finish(bench, b)
    assert (waiting(bench, "a"), waiting(bench, "b")) == ([wanted], [further])
    assert (places(bench, "b"), promised(bench)) == ([], {"b": wanted})
    return wanted, further


@pytest.mark.parametrize("end", ["cancel", "pause", "skip"])
def test_a_place_is_not_kept_for_what_does_not_go_on(
    timed_bench: Bench, clock: VirtualClock, end: str
) -> None:
    """The next one has the place, at the latest with the next look."""
    for key in ("a", "b"):
        declare(timed_bench, key, running=1)
    wanted, further = keep_b(timed_bench)
    if end == "cancel":
        timed_bench.store.control.cancel(wanted, "")
    elif end == "pause":
        timed_bench.pause(wanted)
    else:
        timed_bench.skip(wanted, "1.0.0")
    clock.advance_running(seconds=6)
    assert places(timed_bench, "b") == [further]


@pytest.mark.parametrize("seed", range(4))
def test_nothing_waits_for_ever_and_no_limit_is_exceeded(server_bench: Bench, seed: int) -> None:
    """Jobs with any of four keys, in any order of starts and ends: all of them end."""
    dice, most = random.Random(seed), {"a": 1, "b": 1, "c": 2, "d": 3}
    for key, number in most.items():
        declare(server_bench, key, running=number)
    left = [sorted(dice.sample("abcd", dice.randint(1, 4))) for _ in range(120)]
    running: list[str] = []
    while left or running or sent(server_bench):
        choice = dice.random()
        if left and choice < 0.5:
            submit(server_bench, *left.pop())
        elif running and choice < 0.75:
            server_bench.commit(running.pop(dice.randrange(len(running))))
        elif sent(server_bench):
            running.append(start_next(server_bench))
        for key, number in most.items():
            assert len(places(server_bench, key)) <= number
    assert all(waiting(server_bench, key) == [] for key in most)
    assert promised(server_bench) == {}
