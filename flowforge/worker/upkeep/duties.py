"""The duties of the leader, and how often it does each."""

from __future__ import annotations

from collections.abc import Callable

from flowforge.settings import Settings
from flowforge.store.fleet_reads.overdue import TimedOut
from flowforge.store.fleet_reads.worker_reports import FORGOTTEN
from flowforge.store.store import Store
from flowforge.store.transitions.upkeep import Lost
from flowforge.worker.upkeep.bulks import BulkOperations
from flowforge.worker.upkeep.damage import Damage
from flowforge.worker.upkeep.deletions import Deletions
from flowforge.worker.upkeep.fair_order import FairOrder
from flowforge.worker.upkeep.limits import LimitLooks
from flowforge.worker.upkeep.log_lines import PlaceOf, unplaced
from flowforge.worker.upkeep.minutes import Minutes
from flowforge.worker.upkeep.presence import StaleReports
from flowforge.worker.upkeep.queue_pauses import QueuePauses
from flowforge.worker.upkeep.reclaimer import Reclaimer
from flowforge.worker.upkeep.resender import Resender
from flowforge.worker.upkeep.retention import Retention
from flowforge.worker.upkeep.schedules import Schedules
from flowforge.worker.upkeep.timeouts import Timeouts
from flowforge.worker.upkeep.timers import Timers
from flowforge.worker.upkeep.upkeep import Scheduled
from flowforge.worker.upkeep.vanished_answers import VanishedAnswers

#: Seconds between two looks for due timers, and for attempts whose time is over: how late a retry
#: may be.
TIMER_INTERVAL = 0.25

#: Seconds between two looks for schedules, which ask the server only when one may be due.
SCHEDULE_INTERVAL = 0.25

#: Seconds between two rounds of bulk operations.
BULK_INTERVAL = 0.25

#: Seconds between two looks at paused queues, and at those with fair keys.
QUEUE_INTERVAL = 1.0

#: Seconds between two looks at the keys of limits whose turn it is.
LIMIT_INTERVAL = 1.0

#: Seconds between two rounds of deletions.
DELETION_INTERVAL = 1.0

#: Seconds between two looks for answers of jobs that are gone.
ANSWERS_INTERVAL = 10.0

#: Seconds between two looks whether a minute has begun.
MINUTES_INTERVAL = 10.0


def leader_duties(
    store: Store,
    settings: Settings,
    at_once: Store,
    place_of: PlaceOf = unplaced,
    note: Callable[[Lost], None] = lambda lost: None,
    note_timeout: Callable[[TimedOut], None] = lambda ended: None,
    queue_of: Callable[[str], str] = str,
) -> list[Scheduled]:
    """What the leader of a server does, in its order.

    ``at_once``: the store, through a link that never waits. ``place_of``, ``note``: as Reclaimer
    says; ``note_timeout``: as Timeouts does; ``queue_of``: the queue of a broker list.
    """
    reclaimer = Reclaimer(
        at_once,
        settings.max_losses,
        place_of,
        lease=settings.lease,
        interval=settings.upkeep_interval,
        grace=settings.heartbeat,
        note=note,
    )
    resender = Resender(store, settings.unclaimed_grace, place_of=place_of)
    return [
        Scheduled(Timers(store), TIMER_INTERVAL),
        # Before leases are found expired: whatever keeps the upkeep, an attempt of a worker that is
        # there has used up its time.
        Scheduled(Timeouts(store, settings.lease, note_timeout), TIMER_INTERVAL),
        Scheduled(Schedules(store), SCHEDULE_INTERVAL),
        Scheduled(reclaimer, settings.upkeep_interval),
        # One look sees what was popped, a later one finds it lost: both in one interval.
        Scheduled(resender, settings.upkeep_interval / 3),
        Scheduled(Retention(store), settings.upkeep_interval),
        Scheduled(BulkOperations(store), BULK_INTERVAL),
        Scheduled(QueuePauses(store), QUEUE_INTERVAL),
        Scheduled(LimitLooks(store, settings.limit_starving), LIMIT_INTERVAL),
        Scheduled(FairOrder(store, queue_of), QUEUE_INTERVAL),
        Scheduled(Deletions(store), DELETION_INTERVAL),
        Scheduled(Minutes(store), MINUTES_INTERVAL),
        Scheduled(VanishedAnswers(store), ANSWERS_INTERVAL),
        Scheduled(StaleReports(store), FORGOTTEN),
        Scheduled(Damage(store), settings.upkeep_interval),
    ]
