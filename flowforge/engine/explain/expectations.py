"""The findings on answers that a job expects."""

from __future__ import annotations

from collections.abc import Iterator

from flowforge.engine.job_server import JobServer
from flowforge.model.answers.expectation import Expectation
from flowforge.model.definition import Definition
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.settings import Settings
from flowforge.store.transitions.expectations import shown_expectation

#: Expectations that are named.
_SAMPLES = 5


def expected_answers(
    server: JobServer, job_id: str, count: int, definition: Definition
) -> Iterator[JobFinding]:
    """The answers that it expects first, of ``count``, and what answers them."""
    if not count:
        return
    for one in server.store.expectations.of_job(job_id, _SAMPLES):
        yield _finding(server, shown_expectation(job_id, definition, one, None), count)


def form_url(settings: Settings, found: Expectation) -> str | None:
    """The form of an answer in the dashboard; None where its address is not set."""
    address = settings.dashboard_url
    if address is None:
        return None
    return f"{address.rstrip('/')}/jobs/{found.job_id}/answers/{found.invocation}"


def _finding(server: JobServer, found: Expectation, count: int) -> JobFinding:
    what = f"it expects an answer for {found.place}"
    if found.assign:
        what += f" from {', '.join(found.assign)}"
    if len(found.any_of) > 1:
        what += f", or one of {len(found.any_of) - 1} others in place of it"
    if found.until is not None:
        what += "; if none comes in time, "
        what += "it goes on without one" if found.otherwise else "the job fails"
    if count > 1:
        what += f" (one of {count})"
    return JobFinding(
        FindingKind.EXPECTS.value,
        what,
        since=found.since,
        until=found.until,
        command=found.command,
        invocation=found.invocation,
        routine_id=found.routine_id,
        slot=found.slot,
        count=count,
        details={
            "key": found.key, "assign": list(found.assign), "otherwise": found.otherwise,
            "any_of": list(found.any_of), "url": form_url(server.settings, found),
        },
    )  # fmt: skip
