"""The flights job from nothing: ``python -m examples.flights.demo``, or ``make demo``.

Starts a private server and two worker processes, submits the job from a third process, recounts
the result and ends all it started, however it ends itself. The server's data is kept, so that the
dashboard can show the job. Exit status 0 only when the job
completed and every figure is right.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from flowforge.errors import FlowForgeError
from flowforge.local.server import LocalServer
from flowforge.local.supervised_process import SupervisedProcess

ROOT = Path(__file__).parents[2]

#: Seconds between two looks at the processes.
POLL = 0.1
#: Seconds that a worker has for a warm shutdown.
WARM_SHUTDOWN = 15
#: Lines of a worker's log that are shown when it ended early.
LOG_LINES = 25


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=Path, default=Path("build"), help="directory of the result")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default: 2)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; the exit status of the first step that failed, else 0."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    try:
        return run(options.build.resolve(), options.workers)
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 128 + signal.SIGINT
    except FlowForgeError as error:
        print(error, file=sys.stderr)
        return 1


def run(build: Path, count: int) -> int:
    build.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        kept = build / "demo"
        shutil.rmtree(kept, ignore_errors=True)
        server = stack.enter_context(LocalServer.start(str(kept)))
        print(f"Server on port {server.port}; {count} workers, logs in {build}/worker-*.log")
        environment = {
            **os.environ,
            "FLOWFORGE_REDIS_URL": server.url,
            "FLOWFORGE_IMPORTS": "examples.flights.flow",
        }
        workers: list[SupervisedProcess] = []
        stack.callback(end, workers)
        for number in range(1, count + 1):
            log = build / f"worker-{number}.log"
            workers.append(start_worker(log, number, environment))
        status = follow(start_step("submit", build, environment), workers, build)
        if status == 0:
            status = follow(start_step("check", build, environment), (), build)
    if status == 0:
        print(f"Done. Open {build / 'flights.html'} and see {build / 'flights.json'}.")
        print(f"The job in the dashboard: FLOWFORGE_DATA_DIR={kept} flowforge ui, or make demo-ui")
    else:
        print(f"The demo failed; see {build}/worker-*.log.", file=sys.stderr)
    return status


def start_worker(path: Path, number: int, environment: dict[str, str]) -> SupervisedProcess:
    command = [sys.executable, "-m", "celery", "-A", "flowforge.app", "worker", "-l", "INFO"]
    command += ["-P", "prefork", "-c", "1", "-n", f"demo-{number}@%h"]
    with path.open("wb") as log:
        return SupervisedProcess(command, log, cwd=ROOT, env=environment, kill_after=WARM_SHUTDOWN)


def end(workers: Sequence[SupervisedProcess]) -> None:
    """End all at the same time, and return when all have ended."""
    for worker in workers:
        worker.release()
    for worker in workers:
        worker.end()


def start_step(name: str, build: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Run one of the example's programs in the foreground of this terminal."""
    command = [sys.executable, "-m", f"examples.flights.{name}", "--build", str(build)]
    return subprocess.Popen(command, cwd=ROOT, env=environment)


def follow(step: subprocess.Popen[bytes], workers: Sequence[SupervisedProcess], build: Path) -> int:
    """Wait for `step` and return its exit status; 1 as soon as a worker is gone before it."""
    with step:
        try:
            while step.poll() is None:
                for number, worker in enumerate(workers, 1):
                    if not worker.alive:
                        show_log(build / f"worker-{number}.log")
                        return 1
                time.sleep(POLL)
        finally:
            if step.poll() is None:
                step.terminate()
    return step.returncode


def show_log(path: Path) -> None:
    lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:]
    print(f"A worker ended early. The end of {path}:", *lines, sep="\n", file=sys.stderr)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
