"""What people ask: the calls that are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from benchmarks.at_scale.fill import Filled
from benchmarks.frame.site import Site
from flowforge import Bulk, JobState
from flowforge.doctor.examination import examine
from flowforge.engine.current import current_engine
from flowforge.engine.finding.error_groups import error_groups
from flowforge.engine.finding.find import find, summaries
from flowforge.engine.jobs.job_report import job_snapshot
from flowforge.metrics.exposition import Page
from flowforge.metrics.fleet import FleetMetrics
from flowforge.store.fleet_reads.finding import Query

#: Milliseconds that a call may take, and a page until it is there; kB of a page.
CALL_LIMIT, PAGE_LIMIT, SIZE_LIMIT = 50, 100, 200


class Question(NamedTuple):
    """``ask``: its answer; of a page that and the seconds until its first byte, which count."""

    name: str
    ask: Callable[[], object]
    limit: float = CALL_LIMIT
    page: bool = False


def searches(filled: Filled) -> list[Question]:
    """``JobState.find`` by each filter and by several, and what is near it."""
    deep = _deep_cursor()
    engine = current_engine().each[0]

    def listed(query: Query) -> object:
        return summaries(find([engine], query, 20).jobs)

    hour = timedelta(hours=1)
    of = JobState.find
    calls: dict[str, Callable[[], object]] = {
        "find(): the newest": of,
        "find(), 100 pages deep": lambda: of(cursor=deep),
        "find(status)": lambda: of(status="failed"),
        "find(flow)": lambda: of(flow="flow-3"),
        "find(flow, status)": lambda: of(flow="flow-3", status="failed"),
        "find(label of 100,000 jobs)": lambda: of(labels={"stage": "paid"}),
        "find(label of 300 jobs)": lambda: of(labels={"tenant": "t7"}),
        "find(three labels)": lambda: of(labels={"tenant": "t7", "stage": "paid", "rare": "no"}),
        "find(labels, flow, status), few": lambda: of(
            flow="flow-3", status="pending", labels={"stage": "paid", "rare": "yes"}
        ),
        "find(label, since)": lambda: of(labels={"stage": "paid"}, since=hour),
        "find(since, until), none": lambda: of(since=2 * hour, until=hour),
        "find(text) that many have": lambda: of(text="withdrawn"),
        "find(text) that none has": lambda: of(text="no job has this"),
        "find(text, status) that none has": lambda: of(status="completed", text="none has this"),
        "find(text, label of 300 jobs)": lambda: of(labels={"tenant": "t7"}, text="none has this"),
        "the list of flowforge jobs": lambda: listed(Query()),
        "the same with a label": lambda: listed(Query(labels={"tenant": "t7"})),
        "JobState.flow_counts": JobState.flow_counts,
        "JobState.error_groups": JobState.error_groups,
        "Bulk.preview(label of 100,000 jobs)": lambda: Bulk.preview(of(labels={"stage": "paid"})),
        "Bulk.preview(text), few": lambda: Bulk.preview(of(text="no job has this")),
        "Bulk.preview of every job": lambda: Bulk.preview(of()),
    }
    return [Question(name, call) for name, call in calls.items()]


def _deep_cursor() -> str | None:
    cursor = None
    for _ in range(100):
        cursor = JobState.find(cursor=cursor).cursor
    return cursor


def of_the_large_job(filled: Filled) -> list[Question]:
    """What is asked of one job with many invocations."""
    engine, job = current_engine().each[0], filled.large
    calls: dict[str, Callable[[], object]] = {
        "job.explain()": job.explain,
        "flowforge show": lambda: job_snapshot(engine, job.job_id),
        "job.progress()": job.progress,
        "job.counts": lambda: job.counts,
        "job.routine_states": lambda: job.routine_states,
        "history, the latest 200": lambda: list(engine.inspector.history(job.job_id, 200)),
    }
    return [Question(name, call) for name, call in calls.items()]


def of_the_fleet(filled: Filled) -> list[Question]:
    """What looks at everything."""
    engine = current_engine().each[0]
    fleet = FleetMetrics(engine.store, "here")

    def scrape() -> str:
        page = Page()
        fleet.add_to(page)
        return page.text()

    return [
        Question("flowforge doctor", lambda: list(examine(engine))),
        Question("a scrape of flowforge metrics", scrape),
        Question("the newest error groups of a flow", lambda: error_groups([engine], "flow-3")),
    ]


def pages(filled: Filled, site: Site) -> list[Question]:
    """Pages of the dashboard, over HTTP, each over a connection of its own."""
    job, failed = f"/jobs/{filled.large.job_id}", f"/jobs/{filled.failed.job_id}"
    group = JobState.error_groups(limit=1)[0].id
    paths = {
        "overview": "/", "jobs": "/jobs", "jobs of a status": "/jobs?status=failed",
        "jobs with a label": "/jobs?label=stage%3Dpaid",
        "jobs with two labels and a flow": "/jobs?label=stage%3Dpaid+rare%3Dyes&flow=flow-3",
        "jobs with a text that none has": "/jobs?text=no+job+has+this",
        "the large job": job, "a failed job": failed,
        "invocations on a timer": f"{job}/invocations?routine=item&state=timer",
        "parked invocations": f"{job}/invocations?routine=item&state=parked",
        "running invocations": f"{job}/invocations?routine=item&state=running",
        "invocations that raised": f"{job}/invocations?routine=item&state=failed",
        "an invocation on a timer": f"{job}/invocations/{filled.waiting}",
        "a parked invocation": f"{job}/invocations/{filled.waiting + 500}",
        "log": f"{job}/log", "flows": "/flows", "a flow": "/flows/one?id=flow-3",
        "errors": "/errors", "a group of errors": f"/errors/{group}",
        "workers": "/workers", "doctor": "/doctor", "bulk": "/bulk",
        "question about 100,000 jobs": "/bulk/new/pause?which=all&label=stage%3Dpaid",
        "dead letters": "/dead-letters",
    }  # fmt: skip

    return [
        Question(f"page: {name}", partial(site.page, path), PAGE_LIMIT, page=True)
        for name, path in paths.items()
    ]


def questions(filled: Filled, site: Site) -> Iterator[Question]:
    """All of them."""
    yield from searches(filled)
    yield from of_the_large_job(filled)
    yield from of_the_fleet(filled)
    yield from pages(filled, site)
