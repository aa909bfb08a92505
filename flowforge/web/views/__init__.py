"""What each page shows: one module a subject. ``PAGES`` is the list of all."""

from __future__ import annotations

from flowforge.web.page import Page
from flowforge.web.views import (
    answers,
    audit,
    breakpoints,
    bulk_jobs,
    bulk_operations,
    dead_letters,
    doctor,
    errors,
    flows,
    invocation_page,
    invocation_timers,
    job_actions,
    job_list,
    job_log,
    job_page,
    limits,
    mending,
    overview,
    queues,
    run_flow,
    schedules,
    workers,
)

PAGES: list[Page] = [
    *overview.PAGES,
    *job_list.PAGES,
    *answers.PAGES,
    *job_page.PAGES,
    *job_actions.PAGES,
    *breakpoints.PAGES,
    *invocation_page.PAGES,
    *invocation_timers.PAGES,
    *job_log.PAGES,
    *mending.PAGES,
    *flows.PAGES,
    *run_flow.PAGES,
    *schedules.PAGES,
    *errors.PAGES,
    *workers.PAGES,
    *queues.PAGES,
    *limits.PAGES,
    *doctor.PAGES,
    *bulk_operations.PAGES,
    *bulk_jobs.PAGES,
    *dead_letters.PAGES,
    *audit.PAGES,
]
