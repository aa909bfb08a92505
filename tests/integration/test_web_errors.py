"""The dashboard's pages of errors: groups by their cause, and one group with its jobs."""

from __future__ import annotations

import re

import pytest

from flowforge import Flow, JobState, routine
from flowforge.store.fleet_reads.error_groups import KEPT
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, fail_job

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>\u202egnp.exe"


@routine
def charge(amount: int) -> None:
    """Nothing is done: no worker is there."""


def started(flow_id: str = "shop") -> JobState:
    flow = Flow(flow_id)
    flow.add_routine(charge, "charge")
    return flow.execute("charge", {"amount": 1})


def test_no_errors_are_said_to_be_none(admin: Browser) -> None:
    assert "There are no such errors" in admin.page("/errors")


def test_errors_are_listed_by_cause(site: Installation, admin: Browser) -> None:
    """The most frequent first, with how many, where, and the latest jobs."""
    for _ in range(3):
        often = fail_job(site.engine, job := started())
    seldom = fail_job(site.engine, started(), "builtins.KeyError", "'card'")
    text = admin.page("/errors")
    assert re.findall(r'href="/errors/([0-9a-f]{12})"', text) == [often, seldom]
    row = text[text.index(often) : text.index(seldom)]
    for part in ("shop.CardError", "no money", "<td>3</td>", "shop.charge", job.job_id):
        assert part in row, part


def test_errors_are_searched_by_flow_and_time(site: Installation, admin: Browser) -> None:
    group = fail_job(site.engine, started("shop"))
    other = fail_job(site.engine, started("mail"))
    text = admin.page("/errors?flow=mail")
    assert other in text
    assert group not in text
    assert group in admin.page("/errors?since=1h")
    # As if the latest error had been long ago.
    site.redis.zincrby(site.key("error_groups"), -KEPT / 2, other)
    text = admin.page("/errors?since=1h")
    assert group in text
    assert other not in text
    assert other in admin.page("/errors?since=7d")


def test_a_group_shows_its_jobs(site: Installation, admin: Browser) -> None:
    """Those that are still there, and the search for all that failed so."""
    jobs = [started() for _ in range(2)]
    for job in jobs:
        group = fail_job(site.engine, job)
    fail_job(site.engine, other := started(), "shop.OtherError")
    text = admin.page(f"/errors/{group}")
    for part in ("shop.CardError", "no money", "<dd>2</dd>", *(job.job_id for job in jobs)):
        assert part in text, part
    found = re.search(r'href="(/jobs\?[^"]+)">All jobs', text)
    assert found is not None
    listed = admin.page(found[1].replace("&amp;", "&"))
    assert all(job.job_id in listed for job in jobs)
    assert other.job_id not in listed
    assert f'name="error" value="{group}"' in listed
    retry = re.search(r'href="(/bulk/new/retry\?[^"]+)"', text)
    assert retry is not None
    assert "Retry 2 jobs" in admin.page(retry[1].replace("&amp;", "&"))
    jobs[0].delete()
    text = admin.page(f"/errors/{group}")
    assert jobs[0].job_id not in text
    assert jobs[1].job_id in text
    jobs[1].delete()
    assert "Its jobs are gone" in admin.page(f"/errors/{group}")


def test_a_group_that_is_gone(admin: Browser) -> None:
    assert "no such group" in admin.page("/errors/0123456789ab", 404)


def test_messages_are_text_and_nothing_else(site: Installation, admin: Browser) -> None:
    group = fail_job(site.engine, started(HOSTILE), HOSTILE, HOSTILE)
    for address in ("/errors", f"/errors/{group}"):
        text = admin.page(address)
        assert "&lt;script&gt;alert(1)" in text, address
        assert "<script>alert" not in text, address


def test_many_groups_are_a_small_page(site: Installation, admin: Browser) -> None:
    """The most frequent, and how many more there are."""
    job_ids = [started() for _ in range(120)]
    for number, job in enumerate(job_ids):
        fail_job(site.engine, job, f"shop.Error{number}", "x" * 500)
    text = admin.page("/errors")
    assert "and 20 more" in text
    assert len(text.encode()) < 200_000


def test_a_group_that_cannot_be_read_is_left_out(site: Installation, admin: Browser) -> None:
    """And that is said; the others are shown."""
    damaged = fail_job(site.engine, started(), "shop.Damaged")
    group = fail_job(site.engine, started())
    site.redis.hset(site.key("error_group", damaged), "count", "many")
    text = admin.page("/errors")
    assert "Left out" in text
    assert group in text
    assert f"/errors/{damaged}" not in text
