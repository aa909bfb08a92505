"""The dashboard's page of the doctor: what it finds, the worst first, with what to do."""

from __future__ import annotations

import re

import pytest

from flowforge import Flow, routine
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, fail_job

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"


@routine
def charge(amount: int) -> None:
    """Nothing is done: no worker is there."""


def test_the_worst_findings_are_first(site: Installation, admin: Browser) -> None:
    """With what to do; what is well stands below; a reason is text and nothing else."""
    flow = Flow("shop")
    flow.add_routine(charge, "charge")
    flow.execute("charge", {"amount": 1})
    for _ in range(10):
        fail_job(site.engine, flow.execute("charge", {"amount": 1}), message=HOSTILE)
    text = admin.page("/doctor")
    levels = re.findall(r"</span> (ok|warn|fail)</span>", text)
    assert levels == sorted(levels, key=["fail", "warn", "ok"].index)
    bad, good = text.split("What is well</h2>")
    for part in (
        "10 of the 10 jobs that ended in the last hour failed",
        "flowforge errors GROUP has the command that retries the jobs of one",
        "no worker is there, 1 job has not ended", "start one: flowforge worker",
        "&lt;script&gt;alert(1)",
    ):  # fmt: skip
        assert part in bad, part
    assert "noeviction" in good
    assert "<script>alert" not in text


def test_nothing_changes_by_itself(admin: Browser) -> None:
    """An examination looks at many jobs, so it is not done once a second."""
    assert "data-live" not in admin.page("/doctor")
