"""Counting the attempts of one process, for the totals of the fleet.

An attempt is noted in memory, and a thread adds what was noted to the totals of the store, so that
neither a handler nor a commit waits for it and a step costs the server nothing. What was noted and
not yet added is lost with the process only.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from flowforge.common.forks import Forks
from flowforge.common.once_per_process import OncePerProcess
from flowforge.errors import CommandRefusedError, StoreUnavailableError
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.model.plan import Target
from flowforge.store.fleet_reads.totals import (
    DELIVERED,
    OUTCOMES,
    QUEUED,
    QUEUED_BUCKETS,
    RETRY,
    RETRY_BUCKETS,
    RUN,
    RUN_BUCKETS,
    TIMED,
    WAITED,
    WAITED_BUCKETS,
    bucket_of,
)
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.store.transitions.tallies import Counted

logger = logging.getLogger(__name__)

#: Seconds from an attempt to its place in the totals, at most, while the server is there.
INTERVAL = 1.0

#: Attempts that wait to be added up, at most: far more than a process makes in an interval.
_MOST_NOTED = 100_000

#: Slots and connections in one call of the script, about 30 us of the server's time each.
_BATCH = 50

_COUNTER = {outcome: counter for counter, outcome in enumerate(OUTCOMES)}

#: What an attempt that does not count has emitted.
NOTHING: Mapping[str, Any] = MappingProxyType({})

_NEVER: tuple[int, Sequence[Target]] = (0, ())


class AttemptEnd(NamedTuple):
    """An attempt that has ended. Times: microseconds in the handler, milliseconds from the push of
    its message to its claim, and until it is made again.
    """

    flow_id: str
    routine_id: str
    slot: str
    outcome: AttemptOutcome
    micros: int = 0
    queued_ms: int = 0
    retry_ms: int = 0
    #: The only connection that leads to the slot, if it has carried this delivery.
    source: str = ""
    #: Event -> how often the attempt has emitted it, and where that goes.
    emitted: Mapping[str, int] = NOTHING
    targets: Mapping[str, Sequence[Target]] = NOTHING


class Tally:
    """The attempts of this process for one server. ``worker``: the worker whose own totals are
    kept too, '' for none.
    """

    def __init__(self, store: Store, worker: Callable[[], str]) -> None:
        self._store = store
        self._worker = worker
        self._closed = threading.Event()
        self._started = OncePerProcess(self._begin)
        self._noted: deque[AttemptEnd] = deque(maxlen=_MOST_NOTED)
        self._forget()

    def _forget(self) -> None:
        self._adding = threading.Lock()
        self._writer, self._batch = next_token(), 0
        #: What is not yet added, by slot or connection, and counter.
        self._changes: dict[Counted, dict[int, int]] = {}
        #: What was sent and may have arrived.
        self._sent: dict[Counted, dict[int, int]] = {}
        self._warned = False

    def note(self, ended: AttemptEnd) -> None:
        """Have an attempt counted."""
        if self._started.process != Forks.count:
            self._started()
        self._noted.append(ended)

    def flush(self) -> None:
        """Add all that is noted; what the server does not take now waits on."""
        if self._started.process != Forks.count:
            return  # it is the parent's, or nothing
        with self._adding:
            self._add_up()
            self._send()

    def close(self) -> None:
        """End the thread, and add what is left."""
        self._closed.set()
        self.flush()

    def _begin(self) -> None:
        # What a forked child finds here is its parent's.
        self._noted.clear()
        self._forget()
        name = "flowforge-totals"
        threading.Thread(target=self._add_until_closed, name=name, daemon=True).start()

    def _add_until_closed(self) -> None:
        forks_before = Forks.count
        while Forks.count == forks_before and not self._closed.wait(INTERVAL):
            try:
                self.flush()
            except Exception:
                logger.exception("the totals are not kept for now")

    def _add_up(self) -> None:
        # Flow and id() of the targets -> how often, and the targets: named once for all attempts.
        # Each version of a flow has targets of its own.
        emitted: dict[tuple[str, int], tuple[int, Sequence[Target]]] = {}
        while self._noted:
            ended = self._noted.popleft()
            counters = self._of("slot", f"{ended.flow_id}\n{ended.routine_id}\n{ended.slot}")
            counters[_COUNTER[ended.outcome]] += 1
            if ended.outcome in TIMED:
                counters[RUN] += ended.micros
                counters[RUN_BUCKETS + bucket_of(ended.micros // 1000)] += 1
                counters[QUEUED] += ended.queued_ms
                counters[QUEUED_BUCKETS + bucket_of(ended.queued_ms)] += 1
            if ended.outcome is AttemptOutcome.RETRIED:
                counters[RETRY] += ended.retry_ms
                counters[RETRY_BUCKETS + bucket_of(ended.retry_ms)] += 1
            if ended.source and ended.outcome in TIMED:
                counters = self._of("connection", f"{ended.flow_id}\n{ended.source}")
                counters[WAITED] += ended.queued_ms
                counters[WAITED_BUCKETS + bucket_of(ended.queued_ms)] += 1
            for event, times in ended.emitted.items():
                targets = ended.targets[event]
                place = (ended.flow_id, id(targets))
                before, _ = emitted.get(place, _NEVER)
                emitted[place] = (before + times, targets)
        for (flow_id, _), (times, targets) in emitted.items():
            for target in targets:
                self._of("connection", f"{flow_id}\n{target.connection}")[DELIVERED] += times

    def _of(self, kind: Literal["slot", "connection"], name: str) -> dict[int, int]:
        found = self._changes.get((kind, name))
        if found is None:
            found = self._changes[kind, name] = defaultdict(int)
        return found

    def _send(self) -> None:
        while self._changes or self._sent:
            if not self._sent:
                for name in list(self._changes)[:_BATCH]:
                    self._sent[name] = self._changes.pop(name)
                self._batch += 1
            try:
                self._store.tallies.add(self._writer, self._batch, self._worker(), self._sent)
            except StoreUnavailableError as error:
                self._warn("they wait", error)
                return
            except CommandRefusedError as error:
                self._warn("they are lost", error)
            else:
                self._warned = False
            self._sent = {}

    def _warn(self, what: str, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("the totals cannot be kept now, %s: %s", what, error)
