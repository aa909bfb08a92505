"""What went over the connections of a job, and where its invocations are."""

from __future__ import annotations

from dataclasses import dataclass, field

from flowforge.model.connection import Connection


@dataclass(frozen=True)
class WorkPlaces:
    """Where invocations are that have not ended.

    ``running``: those whose handler runs; None: it is not known how many of ``other`` do.
    ``waiting``: those that wait, by cause as the kinds of ``explain``: ``queued``, ``timer``,
    ``child`` and ``breakpoint``, and of the parked ones ``paused``, ``failed``, ``max_in_flight``
    or ``in_turn``. ``other``: those of which it is not known whether they run or are parked.
    ``is_estimate``: they were counted from a sample, as there are many.
    """

    running: int | None = 0
    waiting: dict[str, int] = field(default_factory=dict)
    other: int = 0
    is_estimate: bool = False


@dataclass(frozen=True)
class ConnectionCount:
    """What went over one connection of a job.

    ``delivered``: emissions that it has carried; None: it is not known. ``is_estimate``: not all of
    them were seen, and the number follows from what else is counted.

    ``done``: those whose invocation has ended, ``failed``: those whose invocation has failed the
    job and may be retried, ``places``: where the rest is. All three are None for a slot that joins,
    whose deliveries have one invocation together, and for a slot that several connections lead to.
    """

    connection: Connection
    delivered: int | None
    is_estimate: bool
    done: int | None = None
    failed: int | None = None
    places: WorkPlaces | None = None


@dataclass(frozen=True)
class JobWork:
    """``routines``: by id. ``connections``: in the order of the definition."""

    routines: dict[str, WorkPlaces]
    connections: list[ConnectionCount]
