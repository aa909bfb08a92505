"""Telling hooks of what happened: a thread for each hook of this worker and each server.

One worker at a time delivers to a hook, which need not be the leader: it has to have imported the
hook. A hook that fails or hangs keeps its own thread alone from its work.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from flowforge.errors import CommandRefusedError, StoreUnavailableError
from flowforge.model.hooks.hook_event import MOST_JOBS, TEST, HookEvent
from flowforge.model.hooks.hooks import Hook, on_hook
from flowforge.store.fleet_reads.hook_reports import describe_hook
from flowforge.store.fleet_reads.outbox import Outbox, OutboxLine, OutboxPage, Waiting, pack_event
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.store.transitions.hooks import DeliveryEnd, Held, NewDelivery
from flowforge.worker.upkeep.hook_call import HookCall
from flowforge.worker.upkeep.hook_pace import MOST_ATTEMPTS, Pace, delay_after, rest_after
from flowforge.worker.upkeep.webhook_request import Answer

logger = logging.getLogger(__name__)

#: Seconds between two looks of the worker that delivers to a hook, and of the others.
LOOK = 1.0
FOLLOW = 2.0

#: Seconds after which another worker may deliver, beyond the time of one attempt: how long a hook
#: waits when its worker dies.
_MARGIN = 6.0

#: Seconds between two declarations.
_DECLARE = 60.0

#: Deliveries that wait beyond which no more are made: events wait in the outbox then.
_MOST_WAITING = 100

#: Pages of the outbox in one round.
_PAGES = 50

#: Workers that may be lost with attempts at one delivery; as for invocations by default.
_MOST_LOST = 3

#: Seconds between two tries when something fails that should not, at most.
_LONGEST_WAIT = 30.0

#: Characters of an answer that are kept.
_KEPT = 500

#: Seconds that the end of a worker waits for the threads of its hooks.
_PATIENCE = 2.0


class HookThread:
    """Delivers to one hook on one server."""

    def __init__(
        self,
        store: Store,
        hook: Hook,
        worker: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._outbox = Outbox(store)
        self.hook = hook
        self._worker = worker
        self._clock = clock
        self._holder = next_token()
        self._pace = Pace(clock)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._loop, name=f"flowforge-hook-{hook.name}", daemon=True
        )
        self._declare_at = self._rest_until = float("-inf")
        #: Attempts in a row that failed.
        self._failures = 0
        #: The latest attempt, which may still run though it was given up.
        self._call: HookCall | None = None
        self._holds = False
        #: What kept the latest round from its end, so that the log says it once.
        self._refused = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread soon; an attempt that runs is made again by another worker."""
        self._stop.set()

    def join(self, deadline: float, *, resign: bool) -> None:
        """Wait for the end until then (monotonic), and let another worker deliver at once with
        ``resign``.
        """
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if resign and self._holds and not self._thread.is_alive():
            self._safely(self._give_up)

    def _loop(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            done = self._safely(self.run_once)
            wait = (LOOK if self._holds else FOLLOW) if done else min(2 * wait + 1, _LONGEST_WAIT)

    def _safely(self, action: Callable[[], object]) -> bool:
        """Whether it was done; the thread must outlive everything."""
        try:
            action()
        except StoreUnavailableError:
            # The upkeep says so.
            return False
        except CommandRefusedError as error:
            if str(error) != self._refused:
                logger.warning("the hook %s waits: %s", self.hook.name, error)
            self._refused = str(error)
            return False
        except Exception as error:
            if repr(error) != self._refused:
                name = self.hook.name
                logger.exception("the hook %s cannot be delivered to, trying again", name)
            self._refused = repr(error)
            return False
        self._refused = ""
        return True

    # --- a round -----------------------------------------------------------------------

    def run_once(self) -> int:
        """How many attempts were made."""
        self._declare()
        if self._call is not None and self._call.running:
            # Another attempt would have another thread that does not end: another worker's turn.
            if self._holds:
                self._give_up()
            return 0
        held = self._hold()
        if held is None:
            return 0
        rests = self._clock() < self._rest_until
        if not rests and held.waiting < _MOST_WAITING:
            self._gather(held.place)
        return self._deliver(tests_only=rests)

    def _declare(self) -> None:
        now = self._clock()
        if now >= self._declare_at:
            self._store.hooks.declare(self.hook.name, describe_hook(self.hook))
            self._declare_at = now + _DECLARE

    @property
    def _hold_ms(self) -> int:
        return int((self.hook.timeout + _MARGIN) * 1000)

    def _hold(self) -> Held | None:
        held = self._store.hooks.hold(self.hook.name, self._holder, self._worker, self._hold_ms)
        self._holds = held is not None
        return held

    def _give_up(self) -> None:
        self._holds = False
        self._store.hooks.hold(self.hook.name, self._holder, self._worker, 0)

    # --- from lines to deliveries --------------------------------------------------------

    def _gather(self, place: int) -> None:
        for _ in range(_PAGES):
            page = self._outbox.read(place)
            if page.behind == place or not self._take(place, page):
                return
            place = page.behind

    def _take(self, place: int, page: OutboxPage) -> bool:
        events: dict[str, HookEvent] = {}
        for line in page.lines:
            kind = self.hook.type_of(line.happened, line.flow_id)
            if kind is not None:
                event = _event_of(kind, line)
                cause = _cause_of(event)
                events[cause] = _both(events[cause], event) if cause in events else event
        before = self._outbox.without_attempt(self.hook.name, [*events]) if events else {}
        made = []
        for cause, event in events.items():
            whole = _both(before[cause], event) if cause in before else event
            delay = int(self._pace.delay(cause) * 1000)
            made.append(NewDelivery(whole.id, cause, delay, pack_event(whole)))
        return self._store.hooks.make(
            self.hook.name, self._holder, place, page.behind, page.lost, made
        )

    # --- attempts ------------------------------------------------------------------------

    def _deliver(self, *, tests_only: bool) -> int:
        attempts = 0
        for waiting in self._outbox.due(self.hook.name):
            is_test = waiting.event is not None and waiting.event.type == TEST
            if tests_only and not is_test:
                continue
            # Earlier attempts may have taken all the time.
            if self._stop.is_set() or (attempts and self._hold() is None):
                break
            attempts += 1
            if not self._attempt(waiting):
                break
        return attempts

    def _attempt(self, waiting: Waiting) -> bool:
        """Whether another may follow."""
        hooks, name, attempt = self._store.hooks, self.hook.name, waiting.attempts + 1
        event = waiting.event
        cause = "" if event is None else _cause_of(event)
        again = self._hold_ms + int(delay_after(attempt, 0) * 1000)
        lost = hooks.begin(name, self._holder, waiting.id, cause, attempt, again)
        if lost is None:
            return True
        if event is None or lost >= _MOST_LOST:
            why = "its record cannot be read" if event is None else f"{lost} workers were lost"
            self._bury(waiting.id, attempt, why)
            return True
        if attempt == 1:
            self._pace.told(cause)
        self._call = HookCall(self.hook, event)
        answer = self._call.answer()
        text = answer.text[:_KEPT]
        if event.type == TEST:
            hooks.end(name, event.id, attempt, DeliveryEnd.TESTED, 0, text, good=answer.good)
        elif answer.good:
            self._succeeded(event, attempt, text)
        else:
            self._failed(event, attempt, answer, text)
        return answer.good or event.type == TEST

    def _succeeded(self, event: HookEvent, attempt: int, text: str) -> None:
        if self._failures:
            logger.info("the hook %s answers again", self.hook.name)
        self._failures = 0
        self._store.hooks.end(self.hook.name, event.id, attempt, DeliveryEnd.DONE, 0, text)

    def _failed(self, event: HookEvent, attempt: int, answer: Answer, text: str) -> None:
        if not self._failures:
            logger.warning("the hook %s does not take an event: %s", self.hook.name, text)
        self._failures += 1
        self._rest_until = self._clock() + rest_after(self._failures)
        if attempt >= MOST_ATTEMPTS:
            self._bury(event.id, attempt, text)
            return
        delay = int(delay_after(attempt, answer.retry_after) * 1000)
        self._store.hooks.end(self.hook.name, event.id, attempt, DeliveryEnd.AGAIN, delay, text)

    def _bury(self, delivery_id: str, attempt: int, why: str) -> None:
        name = self.hook.name
        if self._store.hooks.end(name, delivery_id, attempt, DeliveryEnd.DEAD, 0, why):
            logger.error(
                "gave up the delivery %s to the hook %s after %d attempts: %s; flowforge hooks "
                "replay %s tries again",
                delivery_id, name, attempt, why, name,
            )  # fmt: skip


class Hooks:
    """The hooks of this worker on one server."""

    def __init__(self, store: Store, worker: str) -> None:
        self._store = store
        self._worker = worker
        self._threads: dict[str, HookThread] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Deliver to the hooks of this process, and to those that it gets later."""
        self._forget = on_hook(self._add)

    def _add(self, hook: Hook) -> None:
        with self._lock:
            former = self._threads.get(hook.name)
            if former is not None:
                # The module was loaded again.
                former.hook = hook
                return
            thread = self._threads[hook.name] = HookThread(self._store, hook, self._worker)
        thread.start()

    def stop(self, *, resign: bool = True) -> None:
        """End the threads; with ``resign`` other workers deliver at once."""
        self._forget()
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.stop()
        deadline = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(deadline, resign=resign)


def _event_of(kind: str, line: OutboxLine) -> HookEvent:
    return HookEvent(
        f"msg_{secrets.token_hex(12)}", kind, line.flow_id, line.job_id, line.routine_id,
        line.invocation, line.error, 1, (line.job_id,), line.at, line.at,
    )  # fmt: skip


def _cause_of(event: HookEvent) -> str:
    """What events have in common that are told together."""
    text = "\0".join((event.type, event.flow_id, event.error.fingerprint))
    return hashlib.sha1(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _both(first: HookEvent, later: HookEvent) -> HookEvent:
    """Two events of one cause as one, which has the id of the first."""
    job_ids = dict.fromkeys((*first.job_ids, *later.job_ids))
    return replace(
        first,
        count=first.count + later.count,
        job_ids=tuple(job_ids)[:MOST_JOBS],
        last_at=max(first.last_at, later.last_at),
    )
