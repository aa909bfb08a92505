"""How many invocations a job has, and of which routines: a bounded look, however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowforge.model.definition import Definition
from flowforge.model.invocation_id import parse_lease, routine_of
from flowforge.model.jobs.status import JobStatus
from flowforge.store.job_reads.job_rows import job_not_found, status_of
from flowforge.store.job_reads.routine_states import routine_states
from flowforge.store.job_reads.work_left import WORK, work_left
from flowforge.store.reading import moment, reading, whole
from flowforge.store.store import Store

#: Uncommitted invocations that are looked at one by one; of more, so many are a sample.
SAMPLE = 1000

#: Attempts with staged emissions that are looked at.
_SEGMENTS = 100

#: Looks until the job has those segments that were asked about.
_TRIES = 3

_ROW = ("status", "last", "window", "joins", "created", "ended", "forked_from", *WORK.values())


class WorkCounts(NamedTuple):
    """What is counted of one job.

    ``counts``: see ``work_left``. ``created``: its invocations so far. ``uncommitted``: those that
    have not ended. ``collecting``: invocations whose items a join still collects. ``children``:
    invocations that wait for a child job. ``staged``: emissions that become invocations when there
    is room.

    ``by_routine``: routine index -> its uncommitted invocations; in jobs with joins also what is
    collected and staged for it. ``sampled``: they are estimated. ``staged_by``: routine index ->
    emissions that its attempts have staged and that are not among those; None: it is not known.
    ``entered_once``: the job began with one invocation, unlike a fork.
    """

    status: JobStatus
    counts: dict[str, int]
    created: int
    uncommitted: int
    collecting: int
    children: int
    staged: int
    max_in_flight: int
    created_at: datetime
    ended_at: datetime | None
    by_routine: dict[int, int]
    sampled: bool
    staged_by: dict[int, int] | None
    states: dict[str, dict[str, Any]]
    entered_once: bool


class _Staged(NamedTuple):
    """The segments of a job, ``whole`` if all of them are named, and how much is in each."""

    emissions: list[str]
    outputs: list[str]
    lengths: dict[str, int]
    whole: bool


class WorkReader:
    """Counts the work of jobs of one fleet."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def read(self, job_id: str, definition: Definition) -> WorkCounts:
        """What is counted of a job; JobNotFoundError.

        What the server is asked in one exchange, it answers of one moment.
        """
        lists = [
            ("LRANGE", self._keys.of(name, job_id), 0, _SEGMENTS - 1)
            for name in ("segments", "output_segments")
        ]
        with reading(f"the work of job {job_id}"):
            found = self._link.many(lists)
            for _ in range(_TRIES):
                emissions, outputs = ([name.decode() for name in names] for names in found)
                lengths = [("LLEN", self._keys.of("segment", name)) for name in emissions + outputs]
                replies = self._link.many([*lists, *lengths, *self._others(job_id, definition)])
                asked, found = found, replies[:2]
                if asked == found:
                    break
            counted = replies[2 : 2 + len(lengths)]
            staged = _Staged(
                emissions,
                outputs,
                dict(zip(emissions + outputs, counted, strict=True)),
                asked == found and max(len(emissions), len(outputs)) < _SEGMENTS,
            )
            return _counts(job_id, definition, staged, replies[2 + len(lengths) :])

    def _others(self, job_id: str, definition: Definition) -> list[Sequence[str | int]]:
        keys = self._keys
        return [
            ("HMGET", keys.of("job", job_id), *_ROW),
            ("HLEN", keys.of("invocations", job_id)),
            ("HLEN", keys.of("joins", job_id)),
            ("HLEN", keys.of("children", job_id)),
            ("HRANDFIELD", keys.of("invocations", job_id), SAMPLE),
            ("HMGET", keys.of("outstanding", job_id), *range(len(definition.routines))),
            ("HGETALL", keys.of("routines", job_id)),
        ]


def _counts(
    job_id: str, definition: Definition, staged: _Staged, replies: Sequence[Any]
) -> WorkCounts:
    values, uncommitted, collecting, children, sample, outstanding, routines = replies
    row = dict(zip(_ROW, values, strict=True))
    if row["status"] is None:
        raise job_not_found(job_id)
    counts = work_left(row)
    emitted = counts["staged"] - sum(staged.lengths[name] for name in staged.outputs)
    staged_by: dict[int, int] | None
    if row["joins"]:
        by_routine = {index: whole(count or 0) for index, count in enumerate(outstanding)}
        sampled, staged_by = False, {}
    else:
        by_routine, sampled = _by_routine(sample or [], uncommitted)
        staged_by = _staged_by(staged) if staged.whole or not emitted else None
    counters = dict(zip(routines[::2], routines[1::2], strict=True))
    return WorkCounts(
        status_of(row["status"], job_id),
        counts,
        whole(row["last"] or 0),
        uncommitted,
        collecting,
        children,
        max(0, emitted),
        whole(row["window"] or 0),
        moment(row["created"] or 0),
        moment(row["ended"]) if row["ended"] else None,
        {index: count for index, count in by_routine.items() if count > 0},
        sampled,
        staged_by,
        routine_states(definition, counters, {}, {}),
        row["forked_from"] is None,
    )


def _by_routine(sample: Sequence[bytes], uncommitted: int) -> tuple[dict[int, int], bool]:
    """Invocations of each routine, and whether that is an estimate from a sample."""
    found = Counter(routine_of(name.decode()) for name in sample)
    if len(sample) >= uncommitted:
        return dict(found), False
    scale = uncommitted / len(sample)
    return {index: round(count * scale) for index, count in found.items()}, True


def _staged_by(staged: _Staged) -> dict[int, int]:
    found: Counter[int] = Counter()
    for name in staged.emissions:
        found[routine_of(parse_lease(name)[1])] += staged.lengths[name]
    return dict(found)
