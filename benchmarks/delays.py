"""What jobs that are put off cost the server when they are submitted, wait and become due.

``python -m benchmarks.delays``: 100,000 jobs that are due at once, on a server of its own: the
server's own processor time for a call of a script, and the longest call by its slow log. Takes
about 20 seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from flowforge import Flow, configure, routine, shutdown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.local.server import LocalServer
from flowforge.worker.upkeep.timers import Timers

#: Seconds until the jobs are due: longer than their submission takes.
LATER = 3600.0


@routine
def step() -> None:
    """It is never run."""


def measured(engine: Engine, what: str, act: Callable[[], int]) -> None:
    """Print how often a script ran, and what one call cost. ``act`` returns for how many jobs."""
    link = engine.link
    link.call("CONFIG", "SET", "slowlog-log-slower-than", 100)
    link.call("SLOWLOG", "RESET")
    before, calls = processor_seconds(engine), _calls(engine)
    jobs = act()
    spent, made = processor_seconds(engine) - before, _calls(engine) - calls
    slowest = max((entry[2] for entry in link.call("SLOWLOG", "GET", -1)), default=0)
    print(
        f"{what:<28} {jobs:>7,} jobs {made:>6,} calls {spent / made * 1000:>6.2f} ms a call, "
        f"longest {slowest / 1000:.1f} ms"
    )


def processor_seconds(engine: Engine) -> float:
    """What the server has used, of its main thread."""
    found = engine.client.info("cpu")
    return float(found["used_cpu_user_main_thread"] + found["used_cpu_sys_main_thread"])


def _calls(engine: Engine) -> int:
    stats = engine.client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {}).get("calls", 0))


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delays")
    parser.add_argument("--jobs", type=int, default=100_000)
    number = parser.parse_args().jobs
    with LocalServer.start() as server:
        configure(redis_url=server.url)
        try:
            _measure(number)
        finally:
            shutdown()


def _measure(number: int) -> None:
    flow = Flow("later")
    flow.add_routine(step, "step")
    (engine,) = current_engine().each
    timers, key = Timers(engine.store), engine.store.keys.of("timers")

    def submit(count: int, delay: float | None) -> int:
        return len(flow.execute_many("step", [{}] * count, delay=delay))

    def look() -> int:
        for _ in range(200):
            timers.run_once()
        return 0

    def release() -> int:
        released = 0
        while found := timers.run_once():
            released += found
        return released

    submit(200, None)
    measured(engine, "submitted at once", lambda: submit(number // 10, None))
    measured(engine, "submitted to start later", lambda: submit(number, LATER))
    measured(engine, "nothing due", look)
    members = engine.link.call("ZRANGE", key, 0, -1)
    for start in range(0, number, 1000):
        pairs = [part for one in members[start : start + 1000] for part in (1, one)]
        engine.link.call("ZADD", key, *pairs)
    measured(engine, "all due at once", release)


if __name__ == "__main__":
    main()
