"""Jobs that wait for somebody, for the tests of the dashboard, and what a reader sees of a page."""

from __future__ import annotations

import re

from flowforge import JobState
from tests.integration.installation import LIMIT
from tests.integration.mend_flows import orders, patient
from tests.support.eventually import eventually


def failed(*amounts: object) -> tuple[JobState, int]:
    """A job that a poison row has failed, and the number of its invocation."""
    job = orders.execute("fetch", {"amounts": list(amounts)}).wait(LIMIT)
    assert job.status == "failed"
    assert job.error is not None
    return job, job.error["invocation"]


def waiting(*amounts: object) -> tuple[JobState, int]:
    """A job with a poison row on a timer, and the number of its invocation."""
    job = patient.execute("fetch", {"amounts": list(amounts)})
    eventually(lambda: job.counts["timers"] == 1 and sum(job.counts.values()) == 1)
    retried = [one for one in job.get_execution_history("charge") if one.kind == "retried"]
    assert retried[-1].invocation is not None
    return job, retried[-1].invocation


def link(job: JobState, number: int) -> str:
    return f"/jobs/{job.job_id}/invocations/{number}"


def text_of(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub("<[^>]+>", " ", page).split())
