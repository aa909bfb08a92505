"""The dashboard's pages of schedules: the list, one of them, and what can be done with it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from flowforge import JobState, ScheduleState, web
from tests.integration.installation import Installation
from tests.integration.schedule_flows import report
from tests.integration.web_client import Browser, dashboard

pytestmark = pytest.mark.usefixtures("no_settings")

OWN = "name=hourly"


@pytest.fixture
def hourly(site: Installation) -> ScheduleState:
    """A schedule of the site whose next time is up to an hour away."""
    found = report().schedule("hourly", "report", {"region": "<b>"}, every=3600, jitter=60)
    return found.save(by="anna")


def test_no_schedules(admin: Browser) -> None:
    assert "There are none." in admin.page("/schedules")
    assert "page must be a number" in admin.page("/schedules?page=x", 409)
    for address in ("one", "pause", "backfill"):
        assert "There is no such schedule" in admin.page(f"/schedules/{address}?name=gone", 404)
    assert "There is no such schedule" in admin.page("/schedules/one?name=<x>", 404)


def test_a_schedule_is_shown(admin: Browser, hourly: ScheduleState) -> None:
    """With its next five times in words, and what it did."""
    assert "every 3600 s" in admin.page("/schedules")
    text = admin.page(f"/schedules/one?{OWN}")
    listed = re.findall(r"<li>(\w+day, \d+ \w+ \d{4}, \d\d:00:00 UTC, in [^<]+)</li>", text)
    assert len(listed) == 5
    for part in ("by <bdi>anna</bdi>", "&lt;b&gt;", "up to 1 min 0 s later", "created"):
        assert part in text, part
    job = hourly.trigger(by="kim")
    text = admin.page(f"/schedules/one?{OWN}")
    assert f'href="/jobs/{job.job_id}"' in text
    assert "asked for by hand" in text
    assert "/schedules/one?name=hourly" in admin.page(f"/jobs/{job.job_id}")


def test_what_is_wrong_is_said(site: Installation, admin: Browser, hourly: ScheduleState) -> None:
    """On both pages, also what was skipped and why."""
    row = site.key("schedule", "hourly")
    site.redis.hset(row, mapping={"due": 1, "skipped overlap": 3})
    assert "late: no worker has started its job." in admin.page("/schedules")
    text = admin.page(f"/schedules/one?{OWN}")
    assert "late: no worker has started its job." in text
    assert "<dt>Skipped</dt><dd>3 overlap</dd>" in text
    site.redis.hset(row, mapping={"error": "there is no time zone <i>"})
    assert "It cannot start its job: there is no time zone &lt;i&gt;" in admin.page("/schedules")
    site.redis.hset(row, "cron", "x")
    site.redis.hset(row, "every", "x")
    assert "Left out" in admin.page("/schedules")
    del hourly


def test_it_is_paused_and_resumed(admin: Browser, hourly: ScheduleState) -> None:
    """After a question that says what it does; a second one says that it does not fit any more."""
    pause = f"/schedules/pause?{OWN}"
    assert "times that come meanwhile are skipped" in admin.page(pause)
    token = admin.form_token(pause)
    assert "Schedule hourly is paused." in admin.act(pause, reason="audit")
    info = hourly.info()
    assert (info.status, info.reason) == ("paused", "audit")
    assert "this does not fit any more" in admin.page(pause)
    reply = admin.post(pause, data={"token": token})
    assert reply.status_code == 409
    assert "it is paused now" in reply.text
    assert "They are skipped while it is paused." in admin.page(f"/schedules/one?{OWN}")
    assert "Schedule hourly goes on." in admin.act(f"/schedules/resume?{OWN}")
    assert hourly.info().status == "active"


def test_a_job_is_started_now(admin: Browser, hourly: ScheduleState) -> None:
    """The page leads to it; a second one meets it."""
    address = f"/schedules/run-now?{OWN}"
    assert "Schedule hourly has started job" in admin.act(address)
    job_id = hourly.info().last_job_id
    assert job_id is not None
    assert f"job {job_id} has not ended" in admin.act(address, 409)
    said = admin.act(address, overlap="queue")
    assert "after the end of the one before" in said
    assert "overlap must be one of" in admin.act(address, 409, overlap="none")
    asked = next(entry for entry in hourly.history() if entry.kind == "asked")
    assert str(asked.by).startswith("token-")


def test_past_times_are_made_up_for(admin: Browser, hourly: ScheduleState) -> None:
    """They are shown before, and counted behind."""
    address = f"/schedules/backfill?{OWN}"
    assert "Show the times" in admin.page(address)
    shown = f"{address}&from=3h&overlap=allow"
    assert "<p>3 times:</p>" in admin.page(shown)
    assert "The schedule has no time there" in admin.page(f"{address}&from=0s")
    assert "is no time" in admin.page(f"{address}&from=soon", 409)
    assert "more than 1,000 times" in admin.page(f"{address}&from=900d", 409)
    page = admin.page(shown)
    data = admin.hidden(page)
    assert data["from"] == "3h"
    reply = admin.post(shown, data=data)
    assert "has 3 jobs started, 0 wait, 0 were there." in reply.text
    assert len(JobState.find(flow="report")) == 3
    assert hourly.info().next_at is not None


def test_it_is_removed(admin: Browser, hourly: ScheduleState) -> None:
    """Unless workers would save it again."""
    assert "Its jobs go on" in admin.page(f"/schedules/remove?{OWN}")
    assert "Schedule hourly is removed." in admin.act(f"/schedules/remove?{OWN}")
    assert ScheduleState.all() == []
    del hourly


def test_many_are_on_several_pages(site: Installation, admin: Browser) -> None:
    """Those that come next are on the first one."""
    for number in range(51):
        every = timedelta(days=1 + number)
        report().schedule(f"s/{number}", "report", every=every).save()
    first, second = admin.pages("/schedules")
    assert "51 in all" in first
    assert len(re.findall('data-key="s/', first)) == 50
    assert len(re.findall('data-key="s/', second)) == 1
    del site


def test_a_viewer_looks_on(site: Installation, hourly: ScheduleState) -> None:
    """Without buttons."""
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        assert "hourly" in viewer.page("/schedules")
        text = viewer.page(f"/schedules/one?{OWN}")
        assert "Next times" in text
        assert 'class="button' not in text
        for action in ("pause", "run-now", "backfill", "remove"):
            viewer.page(f"/schedules/{action}?{OWN}", 403)
    assert hourly.info().status == "active"
