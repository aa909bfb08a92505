"""One job: why it stands where it does, its graph with what runs where, and all that is kept."""

from __future__ import annotations

from typing import Any

from flowforge.engine.engine import Engine
from flowforge.engine.finding.find import find, summaries
from flowforge.engine.jobs.job_report import routines, trace_of_job, work_of_job
from flowforge.errors import JobNotFoundError, RecordError
from flowforge.model.jobs.status import ENDED
from flowforge.store.fleet_reads.finding import Query
from flowforge.store.job_reads.job_rows import JobDetails, JobRows, JobSummary
from flowforge.store.job_reads.latest_history import latest_history
from flowforge.store.job_reads.outstanding import Outstanding
from flowforge.store.job_reads.started_jobs import StartedJobs
from flowforge.store.transitions.breakpoints import LOOKED
from flowforge.web.graph.layout import layout
from flowforge.web.graph.picture import picture
from flowforge.web.page import Call, Page, View
from flowforge.web.security.identity import Role
from flowforge.web.timeline import timeline
from flowforge.web.views.job_actions import ACTIONS
from flowforge.web.work_words import standing

#: Entries of the history on the page, the latest ones.
_HISTORY = 200

#: Those of them that are shown at once.
_LATEST = 40

#: Child jobs, jobs above it, and joins on the page.
_CHILDREN = 20
_PARENTS = 10
_JOINS = 20

#: Answers that it waits for, on the page.
_ANSWERS = 20

#: Outputs on the page.
_OUTPUTS = 50


def job(call: Call) -> View:
    """The page of a job."""
    job_id = call.path("job_id")
    found = shown(call.engine(job_id), job_id, history_is_shown=call.shows("earlier"))
    # One that is undone is never retried.
    actions = [one for one in ACTIONS.values() if one.name != "retry" or found["undo"] is None]
    return View(
        "job.html",
        {**found, "actions": actions, "operator": Role.OPERATOR},
        rests=found["job"].status in ENDED,
    )


def shown(engine: Engine, job_id: str, *, history_is_shown: bool) -> dict[str, Any]:
    """What the page shows of a job. ``history_is_shown``: all of it that is read, and not the
    latest entries alone.
    """
    inspector = engine.inspector
    summary, details = inspector.describe(job_id)
    definition = inspector.definition(job_id)
    history = latest_history(engine.store, job_id, definition, _HISTORY + 1)
    for entry in history[-_HISTORY if history_is_shown else -_LATEST :]:
        # Here it is told what is wrong with it; the template would fail.
        _ = entry.at, entry.details
    placed = layout(definition)
    work = work_of_job(engine, job_id)
    states = standing(routines(engine, job_id), work)
    findings = engine.explain(job_id)
    outstanding = Outstanding(engine.store, job_id, definition)
    join_count, joins = outstanding.joins(_JOINS)
    params = inspector.params(job_id)
    error = inspector.error(job_id)
    undo = inspector.undo(job_id) if summary.is_undone else None
    expected = engine.expectations.of_job(job_id, _ANSWERS) if summary.counts["expected"] else []
    return {
        **_family(engine, job_id, details),
        "job": summary,
        "details": details,
        "params": params,
        "forked_from": inspector.forked_from(job_id) if params is None else None,
        "error": error,
        "trace_id": trace_of_job(engine, job_id, error),
        "findings": findings,
        "expected": expected,
        "timeline": timeline(states, history[-_HISTORY:], findings, summary.created_at),
        "routines": states,
        "picture": None if placed is None else picture(definition, placed, states, work),
        "work": work,
        "breakpoints": {one.routine_id: one for one in engine.breakpoints.of_job(job_id)},
        "looked": LOOKED,
        "connections": definition.connections,
        "join_count": join_count,
        "joins": [one.join for one in joins],
        "undo": undo,
        "undone_by": _summaries(engine, [undo.job_id] if undo and undo.job_id else []),
        "undoes": _summaries(engine, [details.undoes] if details.undoes else []),
        "pauses": inspector.pauses(job_id),
        "outputs": inspector.outputs(job_id, _OUTPUTS),
        "history": history[-_HISTORY:][::-1],
        "latest": _LATEST,
        "earlier": len(history) > _HISTORY,
    }


def _family(engine: Engine, job_id: str, details: JobDetails) -> dict[str, Any]:
    """The jobs above it, the nearest first, and those that its handlers have started."""
    started = StartedJobs(engine.store)
    newest = summaries(find([engine], Query(parent=job_id), _CHILDREN).jobs)
    older = _summaries(engine, started.unlisted(job_id)[: _CHILDREN - len(newest)])
    children = [*newest, *older]
    return {
        "parents": _parents(engine, details),
        "children": children,
        "child_count": max(started.count(job_id), len(children)),
        "waits": started.waits(job_id, [child.job_id for child in children]),
    }


def _parents(engine: Engine, details: JobDetails) -> list[JobSummary]:
    """Of a job whose parent is gone nothing is known above it."""
    found: list[JobSummary] = []
    while (above := details.parent_job_id or details.started_by) and len(found) < _PARENTS:
        try:
            summary, details = engine.inspector.describe(above)
        except (JobNotFoundError, RecordError):
            break
        found.append(summary)
    return found


def _summaries(engine: Engine, job_ids: list[str]) -> list[JobSummary]:
    """Those jobs that are there and can be read."""
    found = JobRows(engine.store).summaries(job_ids)
    return [job for job in found if isinstance(job, JobSummary)]


def _mark(call: Call) -> object:
    job_id = call.path("job_id")
    return JobRows(call.engine(job_id).store).at_rest(job_id)


PAGES = [Page("/jobs/{job_id}", job, mark=_mark)]
