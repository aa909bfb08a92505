"""The metrics of a fleet, from what its server keeps. A scrape is bounded work for the server."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from itertools import islice

from flowforge.errors import FlowForgeError, StoreUnavailableError
from flowforge.metrics import catalogue
from flowforge.metrics.exposition import Page
from flowforge.model.jobs.status import ACTIVE, JobStatus
from flowforge.store.fleet_reads.load import ServerLoad
from flowforge.store.fleet_reads.overview import Overview
from flowforge.store.fleet_reads.totals import NO_ATTEMPTS, AttemptTotals, Totals
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from flowforge.store.job_reads.work_left import WORK
from flowforge.store.store import Store

logger = logging.getLogger(__name__)

#: Between the name of a queue and its priority, in the name of a broker list.
_PRIORITY = "\x06\x16"

#: Why invocations of a job are parked, by its status, unless it waits for its turn.
_CAUSES = {
    JobStatus.PENDING: "room", JobStatus.RUNNING: "room", JobStatus.PAUSED: "paused",
    JobStatus.FAILED: "failed",
}  # fmt: skip

#: Statuses in which a job may wait for nothing but its turn.
_MAY_BE_HELD = (JobStatus.PENDING, JobStatus.RUNNING)


#: Limits that have values of their own, and keys that are read.
_LIMITS = 50
_LIMIT_KEYS = 1000


class FleetMetrics:
    """Reads one server. ``name``: the value of the label ``server``."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self._totals = Totals(store)
        self._load = ServerLoad(store)
        self._overview = Overview(store)

    def add_to(self, page: Page) -> None:
        """What there is to say now; of a server that does not answer that it is not up."""
        page, began = page.of(server=self._name), time.perf_counter()
        parts = (
            self._server, self._jobs, self._attempts, self._connections, self._queues,
            self._queue_pauses, self._fair_keys, self._work, self._upkeep, self._limits,
            self._workers,
        )  # fmt: skip
        page.add(catalogue.UP, int(all(self._read(page, part) for part in parts)))
        page.add(catalogue.SCRAPE_DURATION, time.perf_counter() - began)

    def _read(self, page: Page, part: Callable[[Page], None]) -> bool:
        """Whether the server answers. What is wrong with one part must not cost the others."""
        name = part.__name__.lstrip("_")
        try:
            part(page)
        except StoreUnavailableError as error:
            logger.warning("server %s: %s", self._name, error)
            return False
        except (FlowForgeError, ValueError) as error:
            logger.warning("server %s: the %s cannot be read: %s", self._name, name, error)
            page.add(catalogue.READ_ERRORS, 1, name)
        return True

    def _server(self, page: Page) -> None:
        page.add(catalogue.LATENCY, self._load.latency())
        memory = self._load.memory()
        page.add(catalogue.MEMORY, memory.used)
        page.add(catalogue.MEMORY_LIMIT, memory.limit)

    def _jobs(self, page: Page) -> None:
        for flow, totals in self._totals.jobs().items():
            shown = flow or catalogue.OTHER
            events = totals.events
            page.add(catalogue.JOBS_CREATED, events.get("created", 0), shown)
            page.add(catalogue.JOBS_RETRIED, events.get("retried", 0), shown)
            page.add(catalogue.JOBS_QUARANTINED, events.get("quarantined", 0), shown)
            page.add(catalogue.JOBS_LATE, events.get("late", 0), shown)
            page.add(catalogue.DEADLINES_MISSED, events.get("too_late", 0), shown)
            for how in ("debounced", "skipped"):
                if how in events:
                    page.add(catalogue.CALLS_WITHOUT_A_JOB, events[how], shown, how)
            page.add(catalogue.TIMEOUTS, events.get("timed_out", 0), shown)
            page.add(catalogue.SCHEDULE_STARTS, events.get("scheduled", 0), shown)
            for reason, count in totals.skipped.items():
                page.add(catalogue.SCHEDULE_SKIPS, count, shown, reason)
            if totals.behind is not None:
                page.add_times(catalogue.SCHEDULE_DELAY, totals.behind, shown)
            for status, times in totals.ended.items():
                page.add(catalogue.JOBS_ENDED, times.count, shown, status)
                page.add_times(catalogue.JOB_DURATION, times, shown, status)
        for flow, counts in self._load.flows(self._totals.flows()).items():
            for status, count in counts.items():
                if flow or count:
                    page.add(catalogue.JOBS, count, flow or catalogue.OTHER, status)

    def _attempts(self, page: Page) -> None:
        routines: defaultdict[tuple[str, str], AttemptTotals] = defaultdict(lambda: NO_ATTEMPTS)
        for name, totals in self._totals.attempts().items():
            place = (name.flow_id or catalogue.OTHER, name.routine_id or catalogue.OTHER)
            routines[place] += totals
        for place, totals in routines.items():
            for outcome, count in totals.outcomes.items():
                page.add(catalogue.ATTEMPTS, count, *place, outcome)
            page.add_times(catalogue.ATTEMPT_DURATION, totals.run, *place)
            page.add_times(catalogue.WAIT, totals.queued, *place, "queue")
            if totals.retry.count:
                page.add_times(catalogue.WAIT, totals.retry, *place, "retry")

    def _connections(self, page: Page) -> None:
        for name, totals in self._totals.connections().items():
            labels = (name.flow_id or catalogue.OTHER, name.connection or catalogue.OTHER)
            page.add(catalogue.DELIVERIES, totals.delivered, *labels)
            if totals.queued.count:
                page.add_times(catalogue.CONNECTION_WAIT, totals.queued, *labels)

    def _queues(self, page: Page) -> None:
        for one in self._load.lists(self._overview.now()):
            queue, _, priority = one.name.partition(_PRIORITY)
            labels = (queue, priority or "0")
            page.add(catalogue.QUEUE_MESSAGES, one.length, *labels)
            page.add(catalogue.QUEUE_UNCLAIMED, one.unclaimed, *labels)
            page.add(catalogue.QUEUE_OLDEST, one.oldest_ms / 1000, *labels)

    def _queue_pauses(self, page: Page) -> None:
        for pause in self._store.queue_pauses.all():
            page.add(catalogue.QUEUE_PAUSED, 1, pause.queue)
            aside = self._store.queue_pauses.aside(pause.lists)
            page.add(catalogue.QUEUE_ASIDE, aside, pause.queue)

    def _fair_keys(self, page: Page) -> None:
        for one in self._store.fair_order.lists():
            queue, _, priority = one.name.partition(_PRIORITY)
            labels = (queue, priority or "0")
            page.add(catalogue.FAIR_KEYS, one.keys, *labels)
            page.add(catalogue.FAIR_WAITING, one.waiting, *labels)
            page.add(catalogue.FAIR_ENTERED, one.entered, *labels)

    def _work(self, page: Page) -> None:
        parked: Counter[str] = Counter(dict.fromkeys((*_CAUSES.values(), "turn"), 0))
        outstanding: Counter[str] = Counter(dict.fromkeys(WORK, 0))
        for status, counts in self._load.work().items():
            held = counts["held"] if status in _MAY_BE_HELD else 0
            parked["turn"] += held
            parked[_CAUSES[JobStatus(status)]] += counts["parked"] - held
            if status in ACTIVE:
                outstanding.update({name: counts[name] for name in WORK})
        for cause, count in parked.items():
            page.add(catalogue.PARKED, count, cause)
        for state, count in outstanding.items():
            page.add(catalogue.OUTSTANDING, count, state)

    def _upkeep(self, page: Page) -> None:
        found = self._load.upkeep(self._overview.now())
        page.add(catalogue.LEADER, int(self._overview.has_leader()))
        page.add(catalogue.LEASES, found.leases.total)
        page.add(catalogue.LEASES_EXPIRED, found.leases.overdue)
        page.add(catalogue.TIMERS, found.timers.total)
        waiting = self._store.expectations.waiting()
        since = 0 if waiting.oldest is None else self._overview.now() - waiting.oldest
        page.add(catalogue.EXPECTED, waiting.number)
        page.add(catalogue.EXPECTED_OLDEST, max(0, since) / 1000)
        page.add(catalogue.UPKEEP_LAG, found.leases.latest_ms / 1000, "leases")
        page.add(catalogue.UPKEEP_LAG, found.timers.latest_ms / 1000, "timers")
        page.add(catalogue.SCHEDULES, found.schedules.total)
        page.add(catalogue.UPKEEP_LAG, found.schedules.latest_ms / 1000, "schedules")
        page.add(catalogue.EXPIRED_JOBS, found.expired)
        page.add(catalogue.DELETIONS, found.deletions)
        page.add(catalogue.DAMAGED, found.damaged)
        kept, ever = self._load.dead_letters()
        page.add(catalogue.DEAD_LETTERS, kept)
        page.add(catalogue.DEAD_LETTERS_TOTAL, ever)

    def _limits(self, page: Page) -> None:
        limits, now = self._store.limits, self._overview.now()
        declared = dict.fromkeys(one.key.partition("/")[0] for one in limits.stored())
        sums = {name: [0, 0, 0] for name in [*declared][:_LIMITS]}
        for usage in limits.usage(islice(limits.keys(pages=2), _LIMIT_KEYS)):
            name = usage.key.partition("/")[0]
            found = sums.setdefault(name if name in sums else catalogue.OTHER, [0, 0, 0])
            found[0] += usage.running + usage.reserved
            found[1] += usage.waiting
            found[2] = max(found[2], 0 if usage.waits_since is None else now - usage.waits_since)
        for name, (taken, waiting, oldest) in sums.items():
            page.add(catalogue.LIMIT_TAKEN, taken, name)
            page.add(catalogue.LIMIT_WAITING, waiting, name)
            page.add(catalogue.LIMIT_OLDEST, oldest / 1000, name)
        page.add(catalogue.LIMITS_STARVING, limits.starving(0)[0])

    def _workers(self, page: Page) -> None:
        reports, _ = WorkerReports(self._store).read()
        live = [report for report in reports if report.live]
        for version, count in Counter(report.version or "?" for report in live).items():
            page.add(catalogue.WORKERS, count, version)
        page.add(catalogue.SLOTS, sum(report.concurrency for report in live))
