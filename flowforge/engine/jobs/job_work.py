"""Where the invocations of a job are, and what went over each of its connections.

No step of a job writes any of this: it follows from what is kept anyway. All connections of an
event carry each of its emissions, and the history has the emissions of every attempt that ended its
invocation. So the number is exact for a routine of which the history has shown as many ends as its
counters have. Otherwise it follows from the invocations of a routine that no other connection leads
to, or from the attempts that were seen.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from flowforge.engine.engine import Engine
from flowforge.engine.progress import parked_cause
from flowforge.model.connection import Connection
from flowforge.model.definition import Definition
from flowforge.model.jobs.connection_count import ConnectionCount, JobWork, WorkPlaces
from flowforge.model.jobs.status import FINAL, JobStatus
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.store.job_reads.history_counts import Place
from flowforge.store.job_reads.routine_states import ended_invocations
from flowforge.store.job_reads.work_places import OTHER, Placed


def job_work(engine: Engine, job_id: str) -> JobWork:
    """That of a job; JobNotFoundError."""
    definition = engine.inspector.definition(job_id)
    return work_of(definition, engine.places.read(job_id, definition))


def work_of(definition: Definition, placed: Placed) -> JobWork:
    """By routine, and by connection."""
    work = _Work(definition, placed)
    return JobWork(
        {spec.id: work.routine(index) for index, spec in enumerate(definition.routines)},
        [work.connection(one) for one in definition.connections],
    )


class _Delivered(NamedTuple):
    number: int | None
    is_estimate: bool


class _Work:
    def __init__(self, definition: Definition, placed: Placed) -> None:
        self._definition = definition
        self._placed = placed
        self._failed = placed.history.failed()
        targets = [self._target(one) for one in definition.connections]
        #: How many connections lead to a slot, and to a routine.
        self._to_slot = Counter(targets)
        self._to_routine = Counter(routine for routine, _ in targets)
        #: Routine index -> where its invocations are, with the job's first one.
        self._states: dict[int, Counter[str]] = {}
        for places in (placed.places, placed.first):
            for (routine, _), states in places.items():
                self._states.setdefault(routine, Counter()).update(states)

    def _target(self, connection: Connection) -> Place:
        index = self._definition.index(connection.target_routine_id)
        return index, self._definition.slot_names(index).index(connection.target_slot)

    # --- where invocations are -------------------------------------------------------------

    def routine(self, index: int) -> WorkPlaces:
        """Where the invocations of a routine are."""
        return self._located(index, self._states.get(index, Counter()), 0)

    def _located(self, index: int, states: Counter[str], failed: int) -> WorkPlaces:
        """``states``: of the routine, or of one of its slots. ``failed``: those parked invocations
        that are told apart.
        """
        placed, other = self._placed, states[OTHER]
        of_routine, running = self._states.get(index, Counter())[OTHER], self._running(index)
        waiting = {state: count for state, count in states.items() if state != OTHER and count}
        if placed.status is JobStatus.FAILED and "queued" in waiting:
            # They are parked when their messages are popped.
            other += waiting.pop("queued")
            of_routine += self._states[index]["queued"]
        if running and other < of_routine:
            if placed.counts["parked"]:
                return WorkPlaces(None, waiting, other, placed.sampled)
            running = other
        parked = max(0, other - running - failed)
        if parked:
            waiting[parked_cause(placed.status, placed.counts, placed.max_in_flight)] = parked
        return WorkPlaces(running, waiting, 0, placed.sampled)

    def _running(self, index: int) -> int:
        state = self._placed.states.get(self._definition.routines[index].id)
        return max(0, state["running"]) if state else 0

    # --- what went over a connection -------------------------------------------------------

    def connection(self, connection: Connection) -> ConnectionCount:
        """What went over a connection."""
        number, is_estimate = self._delivered(connection)
        place = self._target(connection)
        if self._to_slot[place] > 1 or self._definition.join(*place) is not None:
            return ConnectionCount(connection, number, is_estimate)
        states = Counter(self._placed.places.get(place, {}))
        failed = self._failed[place] if self._placed.status is JobStatus.FAILED else 0
        left = sum(states.values())
        done: int | None = self._placed.history.ended[place]
        if not self._is_seen(place[0]) or not self._placed.entered_once:
            # Also of a fork, which has begun with deliveries that no connection has carried.
            done = None if number is None else max(0, number - left)
            is_estimate = True
        places = self._located(place[0], states, failed)
        staged = self._staged(number, done, left)
        if staged:
            cause = parked_cause(
                self._placed.status, self._placed.counts, self._placed.max_in_flight
            )
            places.waiting[cause] = places.waiting.get(cause, 0) + staged
        return ConnectionCount(connection, number, is_estimate, done, failed, places)

    def _staged(self, number: int | None, done: int | None, left: int) -> int:
        """Emissions that become invocations when there is room."""
        if number is None or done is None or self._placed.status in FINAL:
            return 0
        return max(0, min(number - done - left, self._placed.counts["staged"]))

    def _delivered(self, connection: Connection) -> _Delivered:
        source = self._definition.index(connection.source_routine_id)
        seen = self._placed.history.emitted[source, connection.source_event]
        if self._is_seen(source):
            return _Delivered(seen, False)
        found = [
            arrived
            for other in self._definition.connections
            if (other.source_routine_id, other.source_event)
            == (connection.source_routine_id, connection.source_event)
            if (arrived := self._arrived(other)) is not None
        ]
        if found:
            return _Delivered(max(seen, *found), True)
        shown = self._placed.history.ends[source]
        if not shown:
            return _Delivered(seen or None, True)
        return _Delivered(max(seen, round(seen * self._ended(source) / shown)), True)

    def _arrived(self, connection: Connection) -> int | None:
        """The invocations of the target, if no other connection leads there; a routine that starts
        child jobs has further ones.
        """
        placed, (index, slot) = self._placed, self._target(connection)
        if (
            self._to_routine[index] > 1
            or self._definition.join(index, slot) is not None
            or not placed.entered_once
            or placed.status is JobStatus.CANCELLED
        ):
            return None
        entered = placed.entry.rpartition(".")[0] == connection.target_routine_id
        states = self._states.get(index, Counter()) - placed.places.get(
            (index, CHILD_SLOT_INDEX), Counter()
        )
        return max(0, self._ended(index) + sum(states.values()) - int(entered))

    def _is_seen(self, index: int) -> bool:
        """Whether the history has shown every end of the routine's invocations."""
        return self._placed.told and self._placed.history.ends[index] == self._ended(index)

    def _ended(self, index: int) -> int:
        state = self._placed.states.get(self._definition.routines[index].id)
        return ended_invocations(state) if state else 0
