"""The dashboard's pages of bulk operations: the list, how far one is, and its abort."""

from __future__ import annotations

import pytest

from flowforge import Bulk, Flow, JobState, routine, web
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, dashboard

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"


@routine
def charge(amount: int) -> None:
    """Nothing is done: no worker is there."""


def jobs(number: int) -> list[JobState]:
    flow = Flow("shop")
    flow.add_routine(charge, "charge")
    return flow.execute_many("charge", [{"amount": 1}] * number)


def test_no_operations(admin: Browser) -> None:
    assert "There are none" in admin.page("/bulk")
    for unknown in ("0" * 12, "x"):
        assert "no such bulk operation" in admin.page(f"/bulk/{unknown}", 404)
        assert "no such bulk operation" in admin.page(f"/bulk/{unknown}/abort", 404)


def test_how_far_it_is(admin: Browser) -> None:
    """Before, and at its end with what was refused and why."""
    some = jobs(3)
    some[0].cancel()
    bulk = Bulk.pause(some, reason=HOSTILE, by="ann")
    text = admin.page(f"/bulk/{bulk.bulk_id}")
    for part in ("running", "0 of 3 jobs", "ann", "&lt;script&gt;alert(1)", "Abort"):
        assert part in text, part
    listed = admin.page("/bulk")
    assert bulk.bulk_id in listed
    assert "0 of 3" in listed
    bulk.wait(20)
    text = admin.page(f"/bulk/{bulk.bulk_id}")
    for part in ("done", "3 of 3 jobs", "it is cancelled", some[0].job_id):
        assert part in text, part
    assert "Abort" not in text
    assert "<script>alert" not in text + admin.page("/bulk")


def test_it_is_aborted(admin: Browser) -> None:
    """After a question; what it has done stays done, and the page says who has ended it."""
    bulk = Bulk.cancel(jobs(5), rate=1)
    address = f"/bulk/{bulk.bulk_id}/abort"
    assert "What it has done stays done" in admin.page(address)
    assert bulk.progress.status == "running"
    assert f"Bulk operation {bulk.bulk_id} is aborted." in admin.act(address)
    assert bulk.progress.status == "aborted"
    assert str(bulk.info.aborted_by).startswith("token-")
    assert "this does not fit any more" in admin.page(address)


def test_an_abort_that_comes_too_late(admin: Browser) -> None:
    bulk = Bulk.cancel(jobs(2))
    address = f"/bulk/{bulk.bulk_id}/abort"
    token = admin.form_token(address)
    bulk.wait(20)
    reply = admin.post(address, data={"token": token})
    assert reply.status_code == 409
    assert "is done: abort does not fit" in reply.text
    assert bulk.info.aborted_by is None


def test_a_viewer_looks_on(site: Installation) -> None:
    bulk = Bulk.cancel(jobs(5), rate=1)
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        text = viewer.page(f"/bulk/{bulk.bulk_id}")
        assert "0 of 5 jobs" in text
        assert "Abort" not in text
        viewer.page(f"/bulk/{bulk.bulk_id}/abort", 403)
