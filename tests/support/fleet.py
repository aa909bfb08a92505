"""Real worker processes for tests: started as users start them, watched, killed."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from flowforge.local.supervised_process import SupervisedProcess
from tests.support.environment import without_settings
from tests.support.eventually import eventually
from tests.support.forked_process import ForkedProcess

ROOT = Path(__file__).parents[2]

#: Seconds until a worker must be ready, and until it must have ended after SIGTERM.
READY_LIMIT = 30.0
END_LIMIT = 15
#: Bytes of a worker's log that are shown when something went wrong.
LOG_TAIL = 4000
#: Pools whose workers may be forks of a process that has loaded what they load.
_FORKED = ("prefork", "solo", "threads")


@dataclasses.dataclass(frozen=True, eq=False)
class Worker:
    """One worker: a Celery main process with its pool, in a process group of its own."""

    name: str
    process: SupervisedProcess | ForkedProcess
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.alive

    @property
    def ready(self) -> bool:
        return re.search(rf"{re.escape(self.name)}@\S+ ready\.", self.output()) is not None

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self) -> str:
        return f"--- {self.name}, the end of {self.log}:\n{self.output()[-LOG_TAIL:]}"


class Fleet:
    """Workers of one Redis and one prefix. They end with the fleet, at the latest with pytest.

    `settings` become ``FLOWFORGE_*`` variables: ``Fleet(url, prefix, path, lease=1.5)`` sets
    ``FLOWFORGE_LEASE=1.5``. Those of pytest's own environment are not passed on.
    """

    def __init__(
        self,
        redis_url: str,
        prefix: str,
        directory: Path,
        imports: Sequence[str] = (),
        app: str = "flowforge.app",
        **settings: object,
    ) -> None:
        values = {"redis_url": redis_url, "prefix": prefix, "imports": ",".join(imports)}
        self._settings = {**values, **settings}
        self._directory = directory
        self._app = app
        self.workers: list[Worker] = []

    def start(
        self,
        *,
        pool: str = "prefork",
        concurrency: int = 2,
        queues: str | None = None,
        options: Sequence[str] = (),
        configuration: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        wait: bool = True,
        by_command: bool = False,
    ) -> Worker:
        """Start one worker and return once it is ready; with ``wait=False`` at once.

        `configuration`: settings of Celery, as ``worker.pool_start_method=spawn``.
        `by_command`: by the command that users enter, and not as a fork of a process that has
        loaded the same modules already. gevent and eventlet are always started so, since they
        change modules before others load them.
        AssertionError, with the end of the worker's log, when it does not become ready.
        """
        name = f"w{len(self.workers) + 1}-{self._settings['prefix']}"
        words = ["-A", self._app, "worker", "-l", "INFO"]
        words += ["-P", pool, "-c", str(concurrency), "-n", f"{name}@%h", *options]
        words += [] if queues is None else ["-Q", queues]
        words += ["--", *configuration] if configuration else []
        whole = by_command or pool not in _FORKED or bool(configuration)
        environment = {**self._environment(), **(env or {})}
        path = self._directory / f"{name}.log"
        with path.open("wb") as log:
            process = _start(words, log, environment, whole=whole)
        worker = Worker(name, process, path)
        self.workers.append(worker)
        if wait:
            self.wait_until_ready(worker)
        return worker

    def wait_until_ready(self, *workers: Worker) -> None:
        """Return when these workers (default: all) take work, or raise as :meth:`start`."""
        for worker in workers or self.workers:
            eventually(
                lambda worker=worker: worker.ready or not worker.alive,  # type: ignore[misc]
                READY_LIMIT,
                lambda worker=worker: f"a ready worker\n{worker.tail()}",  # type: ignore[misc]
            )
            assert worker.ready, f"the worker ended before it was ready\n{worker.tail()}"

    def kill(self, worker: Worker) -> None:
        """SIGKILL the worker with its whole pool, as if its machine had failed."""
        if worker.alive:
            os.killpg(worker.process.group, signal.SIGKILL)
        worker.process.end()

    def terminate(self, worker: Worker) -> None:
        """Ask for a warm shutdown, as a deploy does, and return at once."""
        worker.process.terminate()

    def wait_until_ended(self, worker: Worker, timeout: float = END_LIMIT) -> None:
        """Return when the worker has ended; AssertionError with its log after `timeout` seconds."""
        eventually(lambda: not worker.alive, timeout, lambda: f"the worker's end\n{worker.tail()}")

    def stop(self) -> None:
        """End all workers, and print their logs: pytest shows them when the test failed."""
        for worker in self.workers:
            worker.process.release()
        for worker in self.workers:
            worker.process.end()
            print(worker.tail())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        own = {f"FLOWFORGE_{k.upper()}": str(v) for k, v in self._settings.items() if v is not None}
        return without_settings(**own, PYTHONUNBUFFERED="1")


def _start(
    words: Sequence[str], log: BinaryIO, env: Mapping[str, str], *, whole: bool
) -> SupervisedProcess | ForkedProcess:
    if not whole:
        return ForkedProcess("celery", words, log, log, cwd=ROOT, env=env, kill_after=END_LIMIT)
    command = [sys.executable, "-m", "celery", *words]
    return SupervisedProcess(command, log, cwd=ROOT, env=env, kill_after=END_LIMIT)
