"""The development server: one loop over its workers, its dashboard, the keys and the files."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from flowforge.composition import configure, current_engine, shutdown
from flowforge.dev.dashboard import Dashboard
from flowforge.dev.keyboard import Keyboard
from flowforge.dev.kill import choose_victim
from flowforge.dev.piped_process import KILL_AFTER, PipedProcess
from flowforge.dev.place import DevRecord, Place
from flowforge.dev.source_files import SourceFiles
from flowforge.dev.worker_log import BAD, CAREFUL, PLAIN, QUIET
from flowforge.dev.workers import DevWorkers, Tell
from flowforge.local.server import LocalServer, delete_data
from flowforge.settings import Settings, from_environment

#: Seconds between two turns of the loop in which nothing happens.
_TURN = 0.2

#: What differs from the settings of a fleet, unless the environment says otherwise: a killed worker
#: is noticed soon, and the lines that handlers log are kept with their jobs.
_SETTINGS = {
    "FLOWFORGE_UPKEEP_INTERVAL": "1",
    "FLOWFORGE_UNCLAIMED_GRACE": "2",
    "FLOWFORGE_KEEP_LOGS": "1000",
}
#: The two depend on each other, so they are set together or not at all.
_LEASE = {"FLOWFORGE_LEASE": "5", "FLOWFORGE_HEARTBEAT": "1"}

#: What ends it: Ctrl-C, a terminal that is closed, `kill`.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: What a worker is killed for: `flowforge dev --kill-worker`.
KILL_WORKER = signal.SIGUSR1


@dataclass(frozen=True)
class DevOptions:
    """How a development server runs. ``pool`` None: that of Celery."""

    modules: tuple[str, ...]
    workers: int = 2
    concurrency: int = 2
    pool: str | None = None
    #: Port of the dashboard; None: the usual one, or any where that is in use.
    port: int | None = None
    dashboard: bool = True
    #: Whether it forgets the jobs that it has kept.
    fresh: bool = False


class DevServer:
    """``settings``: of the environment and the command line; without a server in them a private one
    is started. ``tell``: shows a text in a colour.
    """

    def __init__(self, project: Path, settings: Settings, options: DevOptions, tell: Tell) -> None:
        self._project = project
        self._settings = settings
        self._options = options
        self._tell = tell
        self._place = Place(project)
        self._keyboard = Keyboard()
        self._signals: list[int] = []
        self._server: LocalServer | None = None

    def run(self) -> int:
        """Run until it is ended; the exit status of the command.

        ConfigurationError when another one runs in this folder or the server cannot be started.
        """
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._place.taken())
            stack.enter_context(self._catching())
            url = self._start_server(stack)
            environment = self._environment(url)
            workers = DevWorkers(
                self._options.workers, self._worker_options(), environment, self._project,
                self._tell,
            )  # fmt: skip
            stack.callback(workers.end)
            workers.start()
            dashboard = None
            if self._options.dashboard:
                dashboard = Dashboard(self._options.port, environment, self._project, self._tell)
                stack.callback(dashboard.end)
            record = DevRecord(os.getpid(), url, self._settings.prefix, self._options.modules)
            self._place.publish(record)
            configure(redis_url=url, prefix=self._settings.prefix)
            stack.callback(shutdown)
            stack.enter_context(self._keyboard.listening())
            self._introduce()
            return self._loop(workers, dashboard, from_environment(environment).lease)

    # --- set-up --------------------------------------------------------------------------

    def _start_server(self, stack: contextlib.ExitStack) -> str:
        if self._settings.redis_url is not None:
            self._tell("server     that of FLOWFORGE_REDIS_URL", PLAIN)
            return self._settings.redis_url
        data = Path(self._settings.data_dir or self._place.data)
        if self._options.fresh:
            delete_data(data)
        self._server = stack.enter_context(LocalServer.start(str(data)))
        shown = os.path.relpath(data, self._project)
        self._tell(f"server     127.0.0.1:{self._server.port}, data in {shown}", PLAIN)
        return self._server.url

    def _environment(self, url: str) -> dict[str, str]:
        lease = {} if _LEASE.keys() & os.environ.keys() else _LEASE
        environment = {**_SETTINGS, **lease, **os.environ}
        environment.pop("FLOWFORGE_DATA_DIR", None)
        return environment | {
            "FLOWFORGE_REDIS_URL": url,
            "FLOWFORGE_PREFIX": self._settings.prefix,
            "FLOWFORGE_IMPORTS": ",".join(self._options.modules),
            "FLOWFORGE_LOG_FORMAT": "json",
            "PYTHONUNBUFFERED": "1",
            # A file that is saved twice in a second with the same size would be taken for the
            # first one by its compiled form.
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def _worker_options(self) -> list[str]:
        pool = [] if self._options.pool is None else ["--pool", self._options.pool]
        return ["--concurrency", str(self._options.concurrency), *pool]

    def _introduce(self) -> None:
        modules = self._options.modules
        self._tell(
            f"workers    {self._options.workers} for {', '.join(modules)}; they reload when a file "
            "is saved\n"
            "run a job  in another terminal, in this folder, with the params of its entry:\n"
            f"             flowforge run {modules[0]} --param NAME=VALUE\n"
            '           for programs: eval "$(flowforge dev --env)"',
            PLAIN,
        )
        if self._keyboard.there:
            self._tell("keys       k kills a worker, r reloads, q or Ctrl-C ends", PLAIN)

    @contextlib.contextmanager
    def _catching(self) -> Iterator[None]:
        """Note signals for the loop: where one strikes, something is half done."""

        def note(number: int, _: FrameType | None) -> None:
            self._signals.append(number)

        numbers = (*_ENDING, KILL_WORKER, signal.SIGCONT)
        before = [signal.signal(number, note) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    # --- the loop ------------------------------------------------------------------------

    def _loop(self, workers: DevWorkers, dashboard: Dashboard | None, lease: float) -> int:
        files = SourceFiles(self._project)
        while True:
            self._await([worker.process for worker in workers.all], dashboard)
            workers.look()
            if dashboard is not None:
                dashboard.look()
            pressed = self._pressed()
            if "k" in pressed:
                self._kill_worker(workers, lease)
            changed = files.changed()
            if changed or "r" in pressed:
                self._reload(workers, changed)
            if "q" in pressed:
                self._end(workers)
                return 0
            if self._server is not None and not self._server.alive:
                self._tell("the private server has ended, and the development server with it", BAD)
                return 1

    def _await(self, processes: list[PipedProcess], dashboard: Dashboard | None) -> None:
        """Return when something is to be read, after a moment at the latest."""
        with selectors.DefaultSelector() as selector:
            readable = [*processes, *([] if dashboard is None else [dashboard.process])]
            for one in readable:
                if not one.ended:
                    selector.register(one, selectors.EVENT_READ)
            if self._keyboard.there:
                selector.register(self._keyboard, selectors.EVENT_READ)
            selector.select(0 if self._signals else _TURN)

    def _pressed(self) -> str:
        """Keys, and signals as the keys that do the same."""
        pressed = ""
        if self._keyboard.there and _readable(self._keyboard):
            pressed = self._keyboard.keys().lower()
        signals, self._signals = self._signals, []
        for number in signals:
            if number == signal.SIGCONT:
                self._keyboard.again()
            else:
                pressed += "k" if number == KILL_WORKER else "q"
        return pressed

    def _kill_worker(self, workers: DevWorkers, lease: float) -> None:
        if not workers.ready:
            self._tell("no worker is ready, so none is killed", CAREFUL)
            return
        victim = choose_victim(current_engine(), workers.ready)
        self._tell(victim.told(lease), CAREFUL)
        victim.worker.kill()

    def _reload(self, workers: DevWorkers, changed: list[Path]) -> None:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        why = f": {changed[0]}{more} changed" if changed else ""
        self._tell(f"reloading{why}", QUIET)
        workers.reload()

    def _end(self, workers: DevWorkers) -> None:
        """Let what runs end for a moment; a second Ctrl-C ends it at once."""
        self._tell(f"ending: what runs has {KILL_AFTER} s, Ctrl-C again ends it at once", QUIET)
        workers.stop()
        deadline = time.monotonic() + KILL_AFTER
        while workers.all and time.monotonic() < deadline:
            self._await([worker.process for worker in workers.all], None)
            workers.look()
            if "q" in self._pressed():
                break
        for worker in workers.all:
            worker.kill()


def _readable(keyboard: Keyboard) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(keyboard, selectors.EVENT_READ)
        return bool(selector.select(0))
