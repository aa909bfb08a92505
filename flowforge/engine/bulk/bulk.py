"""Bulk operations on jobs: what is done to each of many jobs, on their servers."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from flowforge.common.bounded_repr import shown
from flowforge.engine.bulk.selection import SAMPLES, Counted, Listed, Matching, Selection
from flowforge.engine.bulk.start import checked_rate, start_bulk
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.engine.finding.find import PASSED_OVER
from flowforge.engine.jobs.job_state import JobPage, JobState
from flowforge.engine.operator_name import operator_name
from flowforge.engine.texts import checked_text
from flowforge.errors import BulkNotFoundError, InvalidValueError, RecordError
from flowforge.model.jobs.bulk import (
    TAKEN_SAMPLES,
    BulkAction,
    BulkInfo,
    BulkPreview,
    BulkProgress,
    BulkRefusal,
    BulkStatus,
)
from flowforge.model.jobs.labels import label_changes
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.bulks import Bulks
from flowforge.store.transitions.bulks import NewBulk

#: Seconds between two pieces, which leave the server to the jobs.
_PAUSE = 0.005

#: Seconds after which it is looked again at an operation that waits.
_LOOK = 1.0


class Bulk:
    """An action on many jobs, which the servers carry out piece by piece.

    It goes on without this process: the leader of the upkeep does the pieces, and ``wait`` does
    them too. What it has done is kept for 7 days after its end.

    ``jobs`` of the methods that start one: a page of ``JobState.find``, which stands for all jobs
    that the search finds (with ``limit`` for the newest so many), or an iterable of jobs. They
    are collected before the first one is acted on; jobs that are created later are not among them.
    A job that cannot take the action is counted as refused. ``reason`` and ``by`` are kept with the
    operation, and with each job as ``job.pause`` and the others keep them. ``rate``: jobs a
    second; None: as many as take a fifth of the server.

    They raise ValueError for what is no rate, name or label, and StoreUnavailableError when a
    server does not answer, on which nothing is begun then.
    """

    def __init__(self, bulk_id: str, engines: Sequence[Engine] | None = None) -> None:
        if not re.fullmatch("[0-9a-f]{12}", checked_text("bulk_id", bulk_id)):
            raise BulkNotFoundError(f"there is no bulk operation {shown(bulk_id)}")
        self.bulk_id = bulk_id
        self._engines = current_engine().each if engines is None else engines

    def __repr__(self) -> str:
        return f"Bulk({self.bulk_id!r})"

    # --- starting ----------------------------------------------------------------------

    @classmethod
    def retry(
        cls, jobs: Iterable[JobState], *, reason: str = "", rate: float | None = None,
        by: str | None = None,
    ) -> Self:  # fmt: skip
        """Continue failed jobs, each as ``job.retry`` does."""
        return cls._start(BulkAction.RETRY, jobs, reason, rate, by)

    @classmethod
    def cancel(
        cls, jobs: Iterable[JobState], *, reason: str = "", rate: float | None = None,
        by: str | None = None, undo: bool = False,
    ) -> Self:  # fmt: skip
        """End jobs for good. ``undo``: what they have committed is undone, as in ``job.cancel``."""
        return cls._start(BulkAction.CANCEL, jobs, reason, rate, by, undo=undo)

    @classmethod
    def pause(
        cls, jobs: Iterable[JobState], *, reason: str = "", rate: float | None = None,
        by: str | None = None,
    ) -> Self:  # fmt: skip
        """Pause jobs; one that is paused is refused, and keeps the reason that it has."""
        return cls._start(BulkAction.PAUSE, jobs, reason, rate, by)

    @classmethod
    def resume(
        cls, jobs: Iterable[JobState], *, reason: str = "", rate: float | None = None,
        by: str | None = None,
    ) -> Self:  # fmt: skip
        """Resume paused jobs; one that is not paused is refused."""
        return cls._start(BulkAction.RESUME, jobs, reason, rate, by)

    @classmethod
    def delete(
        cls, jobs: Iterable[JobState], *, reason: str = "", rate: float | None = None,
        by: str | None = None,
    ) -> Self:  # fmt: skip
        """Delete jobs that have ended, before their retention is over."""
        return cls._start(BulkAction.DELETE, jobs, reason, rate, by)

    @classmethod
    def label(
        cls, jobs: Iterable[JobState], labels: Mapping[str, str | None], *, reason: str = "",
        rate: float | None = None, by: str | None = None,
    ) -> Self:  # fmt: skip
        """Set labels; None takes one away."""
        changes = label_changes(labels)
        if not changes:
            raise InvalidValueError("labels is empty: name at least one label")
        return cls._start(BulkAction.LABEL, jobs, reason, rate, by, changes)

    @classmethod
    def preview(cls, jobs: Iterable[JobState], *, exact: bool = False) -> BulkPreview:
        """How many jobs there are, of which statuses, and some of them. Nothing is changed.

        After a look at about 1,000 jobs it returns what it has counted by then, and says by its
        ``exact`` that there may be more. ``exact``: count all, however long it takes.
        """
        return preview(selected(jobs), exact)

    @classmethod
    def _start(
        cls, action: BulkAction, jobs: Iterable[JobState], reason: str, rate: object,
        by: str | None, labels: Mapping[str, str] | None = None, *, undo: bool = False,
    ) -> Self:  # fmt: skip
        engines = current_engine().each
        wanted = new_bulk(action, selected(jobs), reason, rate, by, labels, undo=undo)
        return cls(start_bulk(engines, *wanted), engines)

    # --- those that were started -------------------------------------------------------

    @classmethod
    def recent(cls, limit: int = 20) -> list[BulkInfo]:
        """The latest operations, those that run and those that ended in the last 7 days."""
        return recent_bulks(current_engine().each, limit)

    @property
    def info(self) -> BulkInfo:
        """What it does to which jobs, who has started it, when and why, and how far it is."""
        parts = (Bulks(engine.store).find(self.bulk_id) for engine in self._engines)
        found = [part for part in parts if part is not None]
        if not found:
            raise BulkNotFoundError(
                f"there is no bulk operation {self.bulk_id!r}: they are kept for 7 days after "
                "their end"
            )
        return _together(found)

    @property
    def progress(self) -> BulkProgress:
        """How far it is; BulkNotFoundError when it is not kept any more."""
        return self.info.progress

    def wait(self, timeout: float | None = None) -> Self:
        """Do what is left, together with the upkeep, until it has ended; return this handle.

        TimeoutError after ``timeout`` seconds: it goes on without this process.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while (seconds := self.do_piece()) is not None:
            if deadline is not None and time.monotonic() + seconds > deadline:
                raise TimeoutError(f"bulk operation {self.bulk_id} has not ended: {self.progress}")
            time.sleep(seconds)
        return self

    def abort(self, *, by: str | None = None) -> None:
        """End it before it has come to all jobs; what it has done stays done.

        One that has ended stays as it is.
        """
        name = operator_name(by)
        self.info  # noqa: B018 - raises when there is no such operation
        for engine in self._engines:
            engine.store.bulks.abort(self.bulk_id, name)

    def do_piece(self) -> float | None:
        """Do the next jobs on each server: seconds until the ones after them; None at its end."""
        pieces = [engine.store.bulks.step(self.bulk_id) for engine in self._engines]
        waits = [piece.wait_ms / 1000 for piece in pieces if piece.left]
        if not waits and self.progress.status != BulkStatus.RUNNING:
            return None
        return min(max(min(waits, default=_LOOK), _PAUSE), _LOOK)


def selected(jobs: Any) -> Selection:
    """The jobs of a page's search, or these jobs."""
    if isinstance(jobs, JobPage):
        return Matching(current_engine().each, jobs.search)
    listed = list(jobs) if isinstance(jobs, Iterable) and not isinstance(jobs, str) else [jobs]
    strangers = [one for one in listed if not isinstance(one, JobState)]
    if strangers:
        raise InvalidValueError(
            f"a bulk operation is about jobs, not {shown(strangers[0])}: give what JobState.find "
            "returns, or a list of JobState"
        )
    return Listed([(job.job_id, current_engine().of(job.job_id)) for job in listed])


def new_bulk(
    action: BulkAction, selection: Selection, reason: str, rate: object, by: str | None,
    labels: Mapping[str, str] | None = None, *, undo: bool = False,
) -> tuple[Selection, NewBulk]:  # fmt: skip
    """What ``start_bulk`` takes; InvalidValueError for what is none."""
    checked = checked_rate(rate)
    why, who = checked_text("reason", reason), operator_name(by)
    text = selection.text()
    return selection, NewBulk(action.value, who, why, checked, text, labels or {}, undo)


def preview(
    selection: Selection, exact: bool, told: Callable[[Counted], None] | None = None
) -> BulkPreview:
    """How many jobs these are, and some of them. ``told``: gets how far the count has come."""
    for counted in selection.counted():
        if counted.exact or (not exact and counted.looked_at >= PASSED_OVER):
            break
        if told is not None:
            told(counted)
    statuses = {status.value: counted.statuses[status.value] for status in JobStatus}
    known = None if counted.exact else selection.known()
    return BulkPreview(
        selection.text(),
        count=counted.statuses.total() if known is None else known,
        statuses=statuses,
        job_ids=counted.job_ids,
        exact=counted.exact or known is not None,
    )


def recent_bulks(
    engines: Sequence[Engine], limit: int, left_out: list[RecordError] | None = None
) -> list[BulkInfo]:
    """The latest operations on these servers. ``left_out``: gets what cannot be read."""
    parts: dict[str, list[BulkInfo]] = defaultdict(list)
    for engine in engines:
        for one in Bulks(engine.store).recent(limit):
            if isinstance(one, BulkInfo):
                parts[one.bulk_id].append(one)
            elif left_out is not None:
                left_out.append(one)
    found = [_together(some) for some in parts.values()]
    # Those of one server that were started in one millisecond stay in its order.
    return sorted(found, key=lambda one: one.created_at, reverse=True)[:limit]


def _together(parts: Sequence[BulkInfo]) -> BulkInfo:
    """What one operation is on several servers."""
    if len(parts) == 1:
        return parts[0]
    refusals: dict[str, BulkRefusal] = {}
    for one in (refusal for part in parts for refusal in part.progress.refusals):
        before = refusals.get(one.reason, BulkRefusal(one.reason, 0, []))
        ids = [*before.job_ids, *one.job_ids][:SAMPLES]
        refusals[one.reason] = BulkRefusal(one.reason, before.count + one.count, ids)
    statuses = {part.progress.status for part in parts}
    order = (BulkStatus.RUNNING, BulkStatus.ABORTED, BulkStatus.DONE)
    status = next((one.value for one in order if one in statuses), parts[0].progress.status)
    ends = [part.ended_at for part in parts if part.ended_at is not None]
    return replace(
        parts[0],
        created_at=min(part.created_at for part in parts),
        ended_at=max(ends) if len(ends) == len(parts) else None,
        rate=sum(part.rate or 0.0 for part in parts) or None,
        aborted_by=next((part.aborted_by for part in parts if part.aborted_by), None),
        progress=BulkProgress(
            status=status,
            matched=sum(part.progress.matched for part in parts),
            done=sum(part.progress.done for part in parts),
            refused=sum(part.progress.refused for part in parts),
            left=sum(part.progress.left for part in parts),
            refusals=sorted(refusals.values(), key=lambda one: (-one.count, one.reason)),
            job_ids=[job_id for part in parts for job_id in part.progress.job_ids][:TAKEN_SAMPLES],
        ),
    )
