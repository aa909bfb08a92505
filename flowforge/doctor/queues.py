"""The doctor on queues: those that are paused, and the turns of fair keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from flowforge.broker.routing import Router
from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.doctor.findings import Finding, short
from flowforge.engine.engine import Engine
from flowforge.engine.explain.queues import resume_command
from flowforge.errors import RecordError
from flowforge.store.reading import moment
from flowforge.store.transitions.fair_order import FairList
from flowforge.store.transitions.queue_pauses import QueuePause

#: How long a queue may be paused before it may have been forgotten.
_LONG_PAUSE = timedelta(hours=1)

#: Characters of a reason.
_REASON = 80


def examine_queues(engine: Engine) -> Iterator[Finding]:
    """Findings on paused queues and on fair keys; none where there are none."""
    unreadable: list[RecordError] = []
    for pause in engine.store.queue_pauses.all(unreadable):
        yield _paused(engine, pause)
    for error in unreadable:
        yield Finding("warn", "queue-pauses", str(error), "pause the queue again, and resume it")
    for one in engine.store.fair_order.lists():
        yield _turns(engine, one)


def _paused(engine: Engine, pause: QueuePause) -> Finding:
    age = moment(engine.overview.now()) - pause.since
    waiting = engine.store.queue_pauses.aside(pause.lists)
    why = f" ({short(pause.reason, _REASON)})" if pause.reason else ""
    text = (
        f"queue {pause.queue} has been paused by {pause.by}{why} for "
        f"{duration(max(0.0, age.total_seconds()))}; "
        f"{counted(waiting, 'invocation waits', 'invocations wait')}"
    )
    if age < _LONG_PAUSE:
        return Finding("ok", "queue-pauses", text)
    return Finding("warn", "queue-pauses", text, resume_command(pause.queue))


def _turns(engine: Engine, one: FairList) -> Finding:
    queue, priority = Router(engine.app).queue_of(one.name)
    label = f"{queue} (priority {priority})" if priority else queue
    text = f"{label}: {counted(one.keys, 'fair key takes', 'fair keys take')} turns, "
    text += f"{counted(one.waiting, 'invocation waits', 'invocations wait')}, "
    if one.entered > one.most:
        text += f"{one.entered} in the broker, the next follows when fewer than {one.most} are"
    else:
        text += f"{one.entered} of at most {one.most} in the broker"
    paused = any(one.name in pause.lists for pause in engine.store.queue_pauses.all([]))
    if one.waiting and not one.entered and not paused:
        fix = "a worker that does the upkeep lets them in within seconds: start one"
        return Finding("warn", "fair-keys", text, fix)
    return Finding("ok", "fair-keys", text)
