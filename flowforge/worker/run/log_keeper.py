"""Keeping what handlers log with their jobs: a handler of ``logging``, and a thread that sends.

A line waits in the process until the next batch, so neither a handler nor a commit waits for the
server. Lines that wait are lost with the process only.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from itertools import islice

from celery.exceptions import SoftTimeLimitExceeded

from flowforge.common.forks import Forks
from flowforge.errors import CommandRefusedError, StoreUnavailableError
from flowforge.execution.attempt import Attempt
from flowforge.execution.current import current
from flowforge.execution.secret_texts import SecretTexts
from flowforge.logs import Worker, exception_of
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.store.transitions.log_lines import Line, pack_line

logger = logging.getLogger(__name__)

#: Seconds between two batches, and so from a line to its readers.
INTERVAL = 0.5

#: Lines of one attempt that are kept as they come, and their bytes. Of those behind them the last
#: ones are kept when it has ended.
FIRST_LINES = 480
FIRST_BYTES = 128 * 1024
LAST_LINES = 20

#: Bytes of a message, and of the end of a traceback.
MESSAGE_BYTES = 2048
EXCEPTION_BYTES = 2048

#: Bytes that wait in a process at most: a server that is away must not fill the worker's memory.
MOST_WAITING = 4 * 1024 * 1024

#: Lines in one call of the script: 0.3 ms of the server's time when all are of one job, 2 ms when
#: each is of another.
BATCH = 100

#: What stands for a text that may hold a secret which cannot be searched for.
_HIDDEN = "(not kept: the slot has secret params)"


class LogKeeper(logging.Handler):
    """Keeps the latest ``most`` lines of each job, about.

    ``store_of``: the store of a job, whose link does not wait long.
    """

    def __init__(self, most: int, store_of: Callable[[str], Store]) -> None:
        super().__init__()
        self._most = most
        self._store_of = store_of
        #: ``Forks.count`` of the process that has the thread; -1: there is none yet.
        self._process = -1
        self._sending = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._open: dict[Attempt, _AttemptLines] = {}
        self._outboxes: dict[Store, _Outbox] = {}

    def attach(self) -> None:
        """Hear what the process logs; once more after something has set up logging."""
        tasks = logging.getLogger("celery.task")
        for heard in (logging.root, *(() if tasks.propagate else (tasks,))):
            heard.addHandler(self)

    def detach(self) -> None:
        """Send what waits, and hear no more."""
        for heard in (logging.root, logging.getLogger("celery.task")):
            heard.removeHandler(self)
        self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line of a handler that runs here; of anything else nothing."""
        attempt = current.get()
        if attempt is None or attempt.closed:
            return
        try:
            if self._process != Forks.count:
                self._begin()
            lines = self._open.get(attempt)
            if lines is None:
                lines = self._open[attempt] = _AttemptLines(attempt, self._outbox(attempt.job_id))
            lines.add(record)
        except SoftTimeLimitExceeded:
            # Of the handler that logs: a signal raises it wherever that is.
            raise
        except Exception:  # noqa: BLE001 - as every handler of logging does
            self.handleError(record)

    def flush(self) -> None:
        """Send all that waits; what the server does not take now waits on."""
        if self._process != Forks.count:
            return  # it is the parent's, or nothing
        self.acquire()
        try:
            for attempt, lines in list(self._open.items()):
                if attempt.closed:
                    lines.end()
                    del self._open[attempt]
            outboxes = list(self._outboxes.values())
        finally:
            self.release()
        with self._sending:
            for outbox in outboxes:
                outbox.send(self._most)

    def _begin(self) -> None:
        # The lock of the handler is held. What a forked child finds here is its parent's.
        self._forget()
        self._sending = threading.Lock()
        self._process = Forks.count
        name = "flowforge-logs"
        threading.Thread(target=self._send_for_ever, name=name, daemon=True).start()

    def _outbox(self, job_id: str) -> _Outbox:
        store = self._store_of(job_id)
        return self._outboxes.setdefault(store, _Outbox(store))

    def _send_for_ever(self) -> None:
        forks_before, pause = Forks.count, threading.Event()
        while Forks.count == forks_before:
            pause.wait(INTERVAL)
            try:
                self.flush()
            except Exception:
                logger.exception("log lines of handlers are not kept for now")


class _AttemptLines:
    """What one attempt has logged so far. The lock of the handler is held in every call."""

    def __init__(self, attempt: Attempt, outbox: _Outbox) -> None:
        self._attempt = attempt
        self._outbox = outbox
        self._revealed = -1
        self._count = self._bytes = self._left_out = 0
        #: Since when lines are left out, by ``LogRecord.created`` in milliseconds.
        self._since = 0
        self._last: deque[Line] = deque(maxlen=LAST_LINES)

    def add(self, record: logging.LogRecord) -> None:
        message, exception = self._visible(record.getMessage()), exception_of(record)
        if not message.strip() and not exception:
            return  # a print of blanks
        at_ms = int(record.created * 1000)
        line = self._line(
            at_ms, record.levelname, record.name, message,
            self._visible(exception) if exception else "",
        )  # fmt: skip
        fits = self._count < FIRST_LINES and self._bytes + len(line.packed) <= FIRST_BYTES
        # Once something was left out, what comes later must not stand before it.
        if fits and not self._last and self._outbox.put(line):
            self._count += 1
            self._bytes += len(line.packed)
            return
        if len(self._last) == LAST_LINES:
            self._since = self._since or at_ms
            self._left_out += 1
        self._last.append(line)

    def end(self) -> None:
        """Hand over the last lines: the attempt has ended."""
        if self._left_out and self._last:
            text = f"({self._left_out} lines of this attempt were not kept)"
            line = self._line(self._since, "WARNING", __name__, text, "")
            self._outbox.put(line, last=True)
        for line in self._last:
            self._outbox.put(line, last=True)

    def _line(self, at_ms: int, level: str, name: str, message: str, exception: str) -> Line:
        attempt = self._attempt
        packed = pack_line(
            at_ms,
            _cut(level, 20),
            _cut(name, 200),
            _cut(message, MESSAGE_BYTES),
            _cut(exception, EXCEPTION_BYTES, end=True),
            attempt.attempt_number,
            Worker.name,
        )
        return Line(attempt.job_id, attempt.invocation, packed)

    def _visible(self, text: str) -> str:
        revealed = self._attempt.revealed
        if self._revealed != len(revealed):
            self._revealed = len(revealed)
            self._secrets = SecretTexts(self._attempt)
        hidden = self._secrets.hide(text)
        return _HIDDEN if hidden is None else hidden


class _Outbox:
    """Lines that wait for one server. Handlers put them in, and one thread at a time sends."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Line] = deque()
        #: Bytes so far, each counted by one side alone.
        self._put = self._sent = 0
        self._lost = self._number = 0
        self._writer = next_token()
        #: What was sent and may have arrived.
        self._batch: list[Line] = []
        self._warned = False

    def put(self, line: Line, *, last: bool = False) -> bool:
        """Whether there was room, of which there is more for ``last`` lines: they have no later
        chance.
        """
        size = len(line.packed)
        if self._put - self._sent + size > MOST_WAITING * (1 + last):
            self._lost += last
            return False
        self._waiting.append(line)
        self._put += size
        return True

    def send(self, most: int) -> None:
        """Send all that waits, until the server does not take it."""
        while self._waiting or self._batch:
            if not self._batch:
                self._batch = list(islice(self._waiting, BATCH))
                self._number += 1
            try:
                self._store.log_lines.keep(self._writer, self._number, most, self._batch)
            except StoreUnavailableError as error:
                self._warn("they wait", error)
                return
            except CommandRefusedError as error:
                self._warn("they are lost", error)
            else:
                self._warned = False
            self._drop_batch()
        if self._lost:
            logger.warning("%d log lines of handlers were not kept: too many waited", self._lost)
            self._lost = 0

    def _drop_batch(self) -> None:
        for line in self._batch:
            self._waiting.popleft()
            self._sent += len(line.packed)
        self._batch = []

    def _warn(self, what: str, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("log lines of handlers cannot be kept now, %s: %s", what, error)


def _cut(text: str, most: int, *, end: bool = False) -> str:
    """At most ``most`` bytes of a text, from its beginning or its ``end``, as valid UTF-8."""
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) <= most:
        return raw.decode()
    return (raw[-most:] if end else raw[:most]).decode(errors="ignore")
