"""Keys, looks and actions together: a thread reads the server, so that keys always answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

import redis

from flowforge.cli.error_text import error_text
from flowforge.cli.fleet_screen.frame import frame
from flowforge.cli.fleet_screen.look import Look, Reader
from flowforge.cli.fleet_screen.state import Act, Screen
from flowforge.cli.fleet_screen.terminal import Terminal
from flowforge.engine.engine import Submitter
from flowforge.engine.finding.audit import tell
from flowforge.engine.fleet.look_pace import LookPace
from flowforge.engine.operator_name import operator_name
from flowforge.errors import FlowForgeError, JobNotFoundError, StoreUnavailableError
from flowforge.model.jobs.audit import AuditOutcome, AuditRecord, AuditVia

#: Seconds after which the screen is drawn again, for the times that it shows.
_TICK = 1.0


def _nobody() -> None:
    """Wakes none."""


class _Server(threading.Thread):
    """Reads what is wanted, again and again, and does what is asked in between."""

    def __init__(self, submitter: Submitter, screen: Screen, by: str | None) -> None:
        super().__init__(name="flowforge-top", daemon=True)
        self._submitter = submitter
        self._reader = Reader(submitter)
        self._pace = LookPace([engine.link for engine in submitter.each])
        self._by = operator_name(by)
        self._lock = threading.Lock()
        self._wanted = screen.wanted
        self._asked: SimpleQueue[Act] = SimpleQueue()
        self._kicked = threading.Event()
        self._ended = False
        #: What happened, in order: a look, why there is none, or what an action has done.
        self.events: SimpleQueue[Look | Exception | str] = SimpleQueue()
        self.wake: Callable[[], None] = _nobody
        self.pace = (1.0, 0.0)
        self.began: float | None = None

    def want(self, screen: Screen, act: Act | None = None) -> None:
        """Read this from now on, at once; and do this before."""
        with self._lock:
            self._wanted = screen.wanted
        if act is not None:
            self._asked.put(act)
        self._kicked.set()

    def end(self) -> None:
        """End after the command that is under way."""
        self._ended = True
        self._kicked.set()

    def run(self) -> None:
        while not self._ended:
            self._kicked.clear()
            self.began = time.monotonic()
            try:
                self._round()
            except Exception as error:  # noqa: BLE001 - the main thread raises what it does not know
                self.events.put(error)
            self.began = None
            self.wake()
            self._kicked.wait(self._pace.delay)

    def _round(self) -> None:
        while True:
            try:
                act = self._asked.get_nowait()
            except Empty:
                break
            self.events.put(self._done(act))
        with self._lock:
            wanted = self._wanted
        self._pace.begin()
        try:
            self.events.put(self._reader.look(wanted))
        finally:
            self._pace.end()
            self.pace = (self._pace.delay, self._pace.commands_a_second)

    def _done(self, act: Act) -> str:
        """What to tell of an action; a job that refuses keeps none of the others from it."""
        refused, done = [], 0
        for job_id in act.job_ids:
            engine, name = self._submitter.of(job_id), act.action.name
            outcome, what = AuditOutcome.DONE, ""
            try:
                act.action.run(engine, job_id, "", self._by)
                done += 1
            except (FlowForgeError, redis.RedisError) as error:
                outcome, what = AuditOutcome.REFUSED, error_text(error)
                refused.append(what)
            via = AuditVia.COMMAND_LINE
            tell(engine, AuditRecord(self._by, via, name, outcome, "", (job_id,), "", what))
        names = act.job_ids[0] if len(act.job_ids) == 1 else f"{done} jobs"
        told = f"{names}: {act.action.name} was asked for" if done else ""
        return "; ".join([*([told] if told else []), *refused[:3]])


def show(submitter: Submitter, screen: Screen, terminal: Terminal, by: str | None) -> None:
    """Show the screen until a key ends it. ``by``: who acts, for the history."""
    server = _Server(submitter, screen, by)
    server.wake = terminal.wake
    server.start()
    try:
        while not screen.ended:
            _take(server, screen)
            terminal.draw(frame(screen, *terminal.size, time.monotonic()))
            wanted, act = screen.wanted, None
            for key in terminal.keys(_TICK):
                act = screen.press(key)
                if act is not None:
                    server.want(screen, act)
            if screen.wanted != wanted:
                server.want(screen)
    finally:
        server.end()


def _take(server: _Server, screen: Screen) -> None:
    """Take in what has happened since."""
    screen.delay, screen.commands_a_second = server.pace
    while True:
        try:
            event = server.events.get_nowait()
        except Empty:
            break
        if isinstance(event, str):
            screen.message = event
        elif isinstance(event, Look):
            screen.see(event, time.monotonic())
        elif isinstance(event, JobNotFoundError):
            screen.job_id, screen.message = None, str(event)
            server.want(screen)
        elif isinstance(event, (StoreUnavailableError, redis.RedisError)):
            screen.fail(str(event), time.monotonic())
        elif isinstance(event, FlowForgeError):
            screen.message = str(event)
        else:
            raise event
    screen.asked_at = server.began
