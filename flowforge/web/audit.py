"""What is kept of what users do: each action, each refusal, each login.

Actions are kept one by one. What a user is refused, and failed logins, can come in floods: the
first of a kind is kept at once, and those of the following minute together, with their number.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.engine.finding.audit import tell
from flowforge.model.jobs.audit import AuditOutcome, AuditRecord, AuditVia

#: Seconds for which repetitions are counted.
_REST = 60.0


class _Kind(NamedTuple):
    """What counts as the same."""

    by: str
    action: str


class Audit:
    """Keeps entries. A dashboard that is read-only writes none: ``writes`` is False."""

    def __init__(self, *, writes: bool) -> None:
        self._writes = writes
        self._lock = threading.Lock()
        #: When an entry of the kind was kept last, by the monotonic clock.
        self._kept: dict[_Kind, float] = {}
        self._counted: dict[_Kind, tuple[Engine, AuditRecord]] = {}
        self._timer: threading.Timer | None = None

    def tell(self, engine: Engine, record: AuditRecord) -> None:
        """Keep an entry."""
        if not self._writes:
            return
        if record.outcome == AuditOutcome.DONE or self._is_first(engine, record):
            tell(engine, record)

    def flush(self) -> None:
        """Keep what has been counted."""
        with self._lock:
            counted, self._counted, self._timer = list(self._counted.values()), {}, None
        for engine, record in counted:
            tell(engine, record)

    def _is_first(self, engine: Engine, record: AuditRecord) -> bool:
        """Whether there was none of its kind in the last minute; else it is counted."""
        kind, now = _Kind(record.by, record.action), time.monotonic()
        with self._lock:
            self._kept = {one: at for one, at in self._kept.items() if now - at < _REST}
            if kind not in self._kept:
                self._kept[kind] = now
                return True
            _, before = self._counted.get(kind, (engine, replace(record, count=0)))
            self._counted[kind] = engine, replace(record, count=before.count + 1)
            if self._timer is None:
                self._timer = threading.Timer(_REST, self.flush)
                self._timer.daemon = True
                self._timer.start()
        return False


def login(by: str, role: str, address: str, outcome: AuditOutcome) -> AuditRecord:
    """A login. Of one that failed no name is kept: a password may have been typed there."""
    return AuditRecord(
        by, AuditVia.DASHBOARD, "log in", outcome, role, what=f"from {address}" if address else ""
    )


def logged_out(by: str, role: str) -> AuditRecord:
    """The end of a session that its user has ended."""
    return AuditRecord(by, AuditVia.DASHBOARD, "log out", AuditOutcome.DONE, role)
