"""What calls with a debounce key and jobs with a single key cost the server.

``python -m benchmarks.debounce``: 100,000 keys, and one key with 100,000 calls, on a server of its
own: the server's own processor time for a call of a script, and the longest call by its slow log.
Takes about three minutes.
"""

from __future__ import annotations

import argparse
from itertools import count

from benchmarks.delays import LATER, measured, step
from flowforge import Debounce, Flow, configure, shutdown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.engine.jobs.job_state import JobState
from flowforge.local.server import LocalServer
from flowforge.model.times.debounce import Keep, WhenRunning
from flowforge.worker.upkeep.timers import Timers

#: Jobs that wait for one single key: as many as may.
WAITING = 1000

#: Params of a call that a job keeps all of.
_PARAMS = {"document": "doc-7", "change": "x" * 100}


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.debounce")
    parser.add_argument("--calls", type=int, default=100_000)
    number = parser.parse_args().calls
    with LocalServer.start() as server:
        configure(redis_url=server.url)
        try:
            _measure_calls(number)
            _measure_turns(number)
        finally:
            shutdown()


def _flow() -> Flow:
    flow = Flow("keyed")
    flow.add_routine(step, "step")
    flow.execute("step", {}, delay=LATER)  # stores the definition
    return flow


def _measure_calls(number: int) -> None:
    flow = _flow()
    (engine,) = current_engine().each
    keys = [Debounce(f"doc-{place}", wait=LATER) for place in range(number)]

    def call(rules: list[Debounce] | Debounce, calls: int, *, named: bool = False) -> int:
        names = (f"call-{next(names_made)}" for _ in range(calls)) if named else None
        flow.execute_many("step", [_PARAMS] * calls, debounce=rules, idempotency_keys=names)
        return calls

    names_made = count()
    measured(engine, "first call of each key", lambda: call(keys, number))
    measured(engine, "second call of each key", lambda: call(keys, number))

    def call_one(keep: Keep) -> int:
        return call(Debounce(f"one-{keep}", wait=LATER, keep=keep), number)

    measured(engine, "all calls of one key, last", lambda: call_one("last"))
    measured(engine, "all calls of one key, all", lambda: call_one("all"))
    rule = Debounce("one-named", wait=LATER)
    measured(engine, "with idempotency keys", lambda: call(rule, number // 10, named=True))
    _make_due(engine)
    timers = Timers(engine.store)

    def release() -> int:
        released = 0
        while found := timers.run_once():
            released += found
        return released

    measured(engine, "all due at once", release)


def _make_due(engine: Engine) -> None:
    key = engine.store.keys.of("timers")
    members = engine.link.call("ZRANGE", key, 0, -1)
    for start in range(0, len(members), 1000):
        pairs = [part for one in members[start : start + 1000] for part in (1, one)]
        engine.link.call("ZADD", key, *pairs)


def _measure_turns(number: int) -> None:
    flow = _flow()
    (engine,) = current_engine().each
    keys = [f"tenant-{place}" for place in range(number)]

    def submit(single: list[str] | str, calls: int, when: WhenRunning) -> list[JobState]:
        return flow.execute_many(
            "step", [{}] * calls, delay=LATER, single=single, when_running=when
        )

    measured(engine, "a job of each single key", lambda: len(submit(keys, number, "queue")))
    measured(engine, "skipped calls of one", lambda: len(submit("tenant-1", number, "skip")))
    waiting: list[JobState] = []

    def queue() -> int:
        waiting.extend(submit("busy", WAITING, "queue"))
        return WAITING

    measured(engine, "jobs that wait for one key", queue)

    def replace() -> int:
        return len(submit("busy", WAITING, "replace"))

    measured(engine, "jobs that replace each other", replace)

    def hand_over() -> int:
        for job in waiting[1:]:
            job.cancel()
        return WAITING

    measured(engine, "turns that are handed over", hand_over)


if __name__ == "__main__":
    main()
