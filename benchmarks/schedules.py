"""What schedules cost the leader and the server: while none is due, and when all are at once.

``python -m benchmarks.schedules``: 10,000 schedules on a server of its own. The processor time of
the leader's duty, of the server for a call of a script, and the longest call by its slow log. Takes
about a minute.
"""

from __future__ import annotations

import argparse
import time

from benchmarks.delays import measured
from flowforge import Flow, configure, routine, shutdown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.local.server import LocalServer
from flowforge.worker.upkeep.duties import SCHEDULE_INTERVAL
from flowforge.worker.upkeep.schedules import Schedules

#: Seconds for which the duty is done while nothing is due.
IDLE = 10.0

#: Times that were missed of the one schedule that has missed many: a month of minutes.
MISSED = 43_200


@routine
def step(n: int = 0) -> None:
    """It is never run."""


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedules")
    parser.add_argument("--schedules", type=int, default=10_000)
    number = parser.parse_args().schedules
    with LocalServer.start() as server:
        configure(redis_url=server.url)
        try:
            _measure(number)
        finally:
            shutdown()


def _measure(number: int) -> None:
    flow = Flow("nightly")
    flow.add_routine(step, "step")
    (engine,) = current_engine().each
    key = engine.store.keys.of("schedules")
    # None is due while it is measured.
    far = time.gmtime(time.time() - 86_400)

    def save() -> int:
        for place in range(number):
            cron = f"{place % 60} {place // 60 % 24} {far.tm_mday % 28 + 1} {far.tm_mon} *"
            flow.schedule(
                f"s/{place}", "step", {"n": place}, cron=cron, timezone="Europe/Zurich",
                overlap="allow",
            ).save()  # fmt: skip
        return number

    measured(engine, "saved", save)
    _idle(engine, Schedules(engine.store))
    members = engine.link.call("ZRANGE", key, 0, -1)
    now = engine.overview.now()
    for member in members:
        _make_due(engine, member.decode(), now)

    def fire() -> int:
        # Another one, which looks at once.
        duty = Schedules(engine.store)
        while duty.run_once():
            pass
        return number

    began, spent = time.perf_counter(), time.process_time()
    measured(engine, "all due at once", fire)
    print(
        f"{'':<28} the leader: {(time.process_time() - spent) / number * 1000:.2f} ms each, "
        f"{time.perf_counter() - began:.1f} s in all"
    )
    assert engine.overview.counts()["pending"] == number

    def catch_up() -> int:
        schedule = flow.schedule("minutes", "step", cron="* * * * *", timezone="Europe/Zurich")
        schedule.save()
        _make_due(engine, "minutes", engine.overview.now() - MISSED * 60_000)
        fire()
        return MISSED

    began = time.perf_counter()
    measured(engine, "a month of minutes missed", catch_up)
    print(f"{'':<28} the leader: {time.perf_counter() - began:.1f} s")


def _idle(engine: Engine, duty: Schedules) -> None:
    """The processor time of the leader while nothing is due."""

    def look() -> int:
        until = time.monotonic() + IDLE
        while time.monotonic() < until:
            duty.run_once()
            time.sleep(SCHEDULE_INTERVAL)
        return 0

    began = time.process_time()
    measured(engine, f"nothing due for {IDLE:.0f} s", look)
    print(f"{'':<28} the leader: {(time.process_time() - began) / IDLE:.2%} of a processor")


def _make_due(engine: Engine, name: str, ms: int) -> None:
    """Let the minute of this time be the next one of a schedule."""
    at = ms // 60_000 * 60
    row = engine.store.keys.of("schedule", name)
    engine.link.call("HSET", row, "next", at, "due", at * 1000, "cron", "* * * * *")
    engine.link.call("ZADD", engine.store.keys.of("schedules"), at * 1000, name)


if __name__ == "__main__":
    main()
