"""How far a job is: of what is known of it, how much has ended, and whether more can come.

A total is final when no handler is left that could emit to the routine: neither runs nor waits one
of a routine from which a delivery can lead there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flowforge.engine.job_server import JobServer
from flowforge.model.definition import Definition
from flowforge.model.jobs.job_finding import FindingKind
from flowforge.model.jobs.job_progress import JobProgress, RoutineProgress
from flowforge.model.jobs.status import FINAL, JobStatus, RoutineStatus
from flowforge.store.fleet_reads.usual_times import UsualTimes, mean_seconds
from flowforge.store.job_reads.routine_states import COUNTERS, ended_invocations, failures
from flowforge.store.job_reads.work_counts import WorkCounts, WorkReader

_NOT_STARTED: dict[str, Any] = {
    **dict.fromkeys((*COUNTERS, "running", "total_seconds"), 0), "status": RoutineStatus.PENDING,
}  # fmt: skip


def progress(server: JobServer, job_id: str) -> JobProgress:
    """How far a job is; JobNotFoundError."""
    definition = server.inspector.definition(job_id)
    work = WorkReader(server.store).read(job_id, definition)
    times = UsualTimes(server.store)
    return job_progress(job_id, definition, work, lambda index: times.seconds(job_id, index))


def job_progress(
    job_id: str,
    definition: Definition,
    work: WorkCounts,
    usual: Callable[[int], float | None],
) -> JobProgress:
    """``usual``: asked for the time of a routine of which no attempt has ended yet."""
    states = [{**_NOT_STARTED, **work.states.get(spec.id, {})} for spec in definition.routines]
    known = _Known(definition, work, states)
    routines = tuple(
        known.routine(index, spec.id, usual) for index, spec in enumerate(definition.routines)
    )
    done = work.created - work.uncommitted - work.collecting
    if work.status is JobStatus.CANCELLED:
        # What had not ended is dropped, and not counted any more.
        done = sum(routine.done for routine in routines)
    return JobProgress(
        done=max(0, done),
        total=max(done, work.created + work.staged),
        total_is_final=all(routine.total_is_final for routine in routines),
        job_id=job_id,
        status=work.status.value,
        running=work.counts["running"],
        waiting=_waiting(work),
        created_at=work.created_at,
        ended_at=work.ended_at,
        routines=routines,
    )


class _Known:
    """What is known of the outstanding invocations of a job's routines."""

    def __init__(
        self, definition: Definition, work: WorkCounts, states: Sequence[Mapping[str, Any]]
    ) -> None:
        self._definition = definition
        self._work = work
        self._states = states
        self._sources: list[set[int]] = [set() for _ in definition.routines]
        self._targets: list[set[int]] = [set() for _ in definition.routines]
        for connection in definition.connections:
            source = definition.index(connection.source_routine_id)
            target = definition.index(connection.target_routine_id)
            self._targets[source].add(target)
            self._sources[target].add(source)
        #: Routine index -> at least so many are outstanding.
        self._outstanding = Counter(work.by_routine)
        #: Routines of which more may be outstanding than that.
        self._unsure: set[int] = set()
        self._place_staged()
        if work.sampled:
            self._unsure |= {index for index in range(len(states)) if not self._is_idle(index)}
        #: The same, and those of which some are: as bits.
        self._open = _bits(self._unsure | {i for i, count in self._outstanding.items() if count})

    def _place_staged(self) -> None:
        if self._work.staged_by is None:
            self._unsure.update(range(len(self._states)))
            return
        for source, staged in self._work.staged_by.items():
            reached = self._targets[source]
            if len(reached) == 1:
                self._outstanding.update(dict.fromkeys(reached, staged))
            elif staged:
                self._unsure |= reached

    def _is_idle(self, index: int) -> bool:
        """Whether nothing of a routine is outstanding, whatever a sample of the job shows.

        That is known of a routine that no other leads to: it has one invocation if the job was
        entered there, and that is the first one to start.
        """
        state = self._states[index]
        if self._sources[index] or not self._work.entered_once:
            return False
        if state["started"]:
            return ended_invocations(state) > 0
        return any(other["started"] for other in self._states)

    def routine(
        self, index: int, routine_id: str, usual: Callable[[int], float | None]
    ) -> RoutineProgress:
        state, outstanding = self._states[index], self._outstanding[index]
        seconds = mean_seconds(state)
        if seconds is None and outstanding:
            seconds = usual(index)
        done = ended_invocations(state)
        return RoutineProgress(
            done=done,
            total=done + outstanding,
            total_is_final=self._is_final(index),
            routine_id=routine_id,
            is_estimate=self._work.sampled and index in self._work.by_routine,
            running=state["running"],
            retried=state["retried"],
            failed=failures(state),
            error_continued=state["error_continued"],
            skipped=state["skipped"],
            lost=state["lost"],
            usual_seconds=seconds,
        )

    def _is_final(self, index: int) -> bool:
        if self._work.status in FINAL:
            return self._work.status is JobStatus.COMPLETED
        sampled = self._work.sampled and index in self._work.by_routine
        if index in self._unsure and not sampled:
            return False
        return not self._definition.upstream(index) & self._open


def _bits(places: Iterable[int]) -> int:
    return sum(1 << place for place in places)


def _waiting(work: WorkCounts) -> dict[str, int]:
    """What waits, by cause, without what there is none of."""
    counts = work.counts
    parked = parked_cause(work.status, counts, work.max_in_flight)
    found = {
        FindingKind.QUEUED: counts["queued"],
        FindingKind.TIMER: counts["timers"],
        FindingKind.BREAKPOINT: counts["stopped"],
        FindingKind.LIMIT: counts["at_limits"],
        FindingKind.EXPECTS: counts["expected"],
        FindingKind.CHILD: work.children,
        FindingKind.JOIN: work.collecting,
        parked: counts["parked"] + work.staged,
    }
    return {str(kind): count for kind, count in found.items() if count}


def parked_cause(status: JobStatus, counts: Mapping[str, int], max_in_flight: int) -> str:
    """Why invocations of a job are parked, as the kinds of ``explain`` name it."""
    if status is JobStatus.PAUSED:
        return FindingKind.PAUSED.value
    if status is JobStatus.FAILED:
        return FindingKind.FAILED.value
    if counts["queued"] + counts["running"] + counts["at_limits"] >= max_in_flight:
        return FindingKind.MAX_IN_FLIGHT.value
    return FindingKind.IN_TURN.value
