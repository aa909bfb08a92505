"""The queues of one server: what waits on each of them, and which workers serve it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from flowforge.broker.routing import Router
from flowforge.engine.engine import Engine
from flowforge.engine.workers import Fleet
from flowforge.store.fleet_reads.broker_lists import BrokerList, BrokerLists
from flowforge.store.transitions.queue_pauses import QueuePause


@dataclass(frozen=True)
class QueueReport:
    """``waiting``: messages on it, of all priorities; of a paused queue the invocations that wait
    for the resume. What waits for turns of fair keys is among them. ``popped``: messages that a
    worker has taken and not claimed yet. ``workers``: the live ones that serve it. ``command``:
    starts another. ``refusal``: why some of its messages cannot be counted. ``pause``: who has
    paused it; None: it is not paused.
    """

    name: str
    waiting: int
    popped: int
    workers: tuple[str, ...]
    command: str
    refusal: str = ""
    pause: QueuePause | None = None


def queues(engine: Engine, fleet: Fleet) -> list[QueueReport]:
    """Every queue that is served or had a message ever; those that need a worker first."""
    router = Router(engine.app)
    lists: dict[str, list[BrokerList]] = defaultdict(list)
    for found in BrokerLists(engine.store).all():
        lists[router.queue_of(found.name)[0]].append(found)
    pauses = {pause.queue: pause for pause in engine.store.queue_pauses.all([])}
    # A pause numbers all lists of a queue, also those without messages.
    served = {name for worker in fleet.live for name in worker.queues}
    names = lists.keys() | served | pauses.keys()
    in_turn = {one.name: one.waiting for one in engine.store.fair_order.lists()}
    reports = [
        _report(engine, fleet, name, lists[name], pauses.get(name), in_turn) for name in names
    ]
    return sorted(
        reports, key=lambda one: (bool(one.workers) or not one.waiting, -one.waiting, one.name)
    )


def _report(
    engine: Engine, fleet: Fleet, name: str, lists: list[BrokerList], pause: QueuePause | None,
    in_turn: Mapping[str, int],
) -> QueueReport:  # fmt: skip
    waiting = sum(one.length for one in lists)
    if pause is not None:
        # The messages that are on the lists are among them.
        waiting = engine.store.queue_pauses.aside(pause.lists)
    waiting += sum(in_turn.get(one.name, 0) for one in lists)
    return QueueReport(
        name,
        waiting,
        sum(one.popped for one in lists),
        tuple(worker.name for worker in fleet.serving(name)),
        engine.worker_command(name),
        next((str(one.refusal) for one in lists if one.refusal is not None), ""),
        pause,
    )
