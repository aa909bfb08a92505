"""What needs a person, on the first page of the dashboard: each with the button that mends it."""

from __future__ import annotations

import html
import re
import time

import pytest

from flowforge import Flow, JobState, ScheduleState, routine, web
from flowforge.doctor.attention import AttentionKind, attention
from flowforge.local.server import LocalServer
from flowforge.store.fleet_reads.worker_reports import WorkerReports
from flowforge.web.needs import Needs
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, dashboard, fail_job
from tests.integration.web_jobs import text_of
from tests.integration.web_pair import paired
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("no_settings")


@routine
def charge(amount: int = 1) -> None:
    """Nothing is done: no worker is there."""


def jobs(number: int, flow_id: str = "shop") -> list[JobState]:
    flow = Flow(flow_id)
    flow.add_routine(charge, "charge")
    return flow.execute_many("charge", [{"amount": 1}] * number)


def served(site: Installation) -> None:
    """A worker is there, as far as reports say."""
    facts = {"queues": ["celery"], "routines": [], "pool": "solo", "concurrency": 1, "pid": 1}
    WorkerReports(site.engine.store).write("w1", "m", facts, [])


def button(page: str, word: str) -> str:
    """The address of the button of this name."""
    found = re.search(rf'<a class="button" href="([^"]+)"[^>]*>{word}</a>', page)
    assert found is not None, page
    return html.unescape(found[1])


def test_nothing_needs_a_person(site: Installation, admin: Browser) -> None:
    served(site)
    (job,) = jobs(1)
    page = admin.page("/")
    assert "Nothing: no job has failed" in page
    assert re.search(rf'Oldest: .*pending</span> <a href="/jobs/{job.job_id}">created', page)


def test_failed_jobs_are_grouped_by_their_cause(site: Installation, admin: Browser) -> None:
    """The button asks about all of them, and retries them."""
    served(site)
    some = jobs(30)
    for job in some[:25]:
        fail_job(site.engine, job, "charge.input: shop.CardError", f"no {job.job_id}")
    for job in some[25:28]:
        fail_job(site.engine, job, "charge.input: shop.NetError", "away")
    fail_job(site.engine, some[28], "charge.input: shop.RareError", "once")
    found = attention([site.engine])
    assert [(one.kind, one.count) for one in found] == [
        (AttentionKind.FAILED, 25), (AttentionKind.FAILED, 3), (AttentionKind.FAILED, 1)
    ]  # fmt: skip
    page = admin.page("/")
    assert "25 jobs" in text_of(page)
    addresses = [html.unescape(one) for one in re.findall(r'class="button" href="([^"]+)"', page)]
    assert "Retry 25 jobs?" in admin.page(addresses[0])
    assert "which=all" in addresses[0]
    assert "Retry 3 jobs?" in admin.page(addresses[1])
    assert addresses[2] == f"/jobs/{some[28].job_id}/retry"
    admin.act(addresses[2])
    assert some[28].status != "failed"


def test_paused_jobs_go_on(site: Installation, admin: Browser) -> None:
    """By their reason; the page names who waits since when."""
    served(site)
    some = jobs(3)
    for job in some[:2]:
        job.pause("the bank is closed", by="kim")
    some[2].pause("look", by="kim")
    page = admin.page("/")
    assert "the bank is closed" in page
    address = button(page, "Resume")
    assert "Resume 2 jobs?" in admin.page(address)


def test_what_has_stopped_at_breakpoints(site: Installation, admin: Browser) -> None:
    """The button lets it go."""
    served(site)
    (job,) = jobs(1)
    site.engine.breakpoints.set(job.job_id, "charge", by="kim")
    answer = site.engine.store.invocations.claim(job.job_id, "1.0.0", "t", 60_000)
    assert answer is not None
    if not job.counts["stopped"]:
        pytest.fail(f"it did not stop: {answer}")
    page = admin.page("/")
    assert "1 invocation has stopped at breakpoints" in page
    address = button(page, "Continue")
    assert "goes on; the breakpoints stay" in admin.page(address)
    admin.act(address)
    assert job.counts["stopped"] == 0
    assert "does not fit any more" in admin.page(address)


def test_schedules_in_trouble(site: Installation, admin: Browser) -> None:
    """Paused by a failure, unable to start, late, and with missed times: each with its button."""
    served(site)
    flow = Flow("shop")
    flow.add_routine(charge, "charge")
    names = ("failed", "paused", "refused", "late", "missed", "fine")
    for name in names:
        flow.schedule(name, "charge", {"amount": 1}, cron="0 0 1 1 *").save()
    job = ScheduleState("failed").trigger()
    hour_ago = int((time.time() - 3600) * 1000)
    stored: dict[str, dict[str, str | int]] = {
        "failed": {"state": "paused", "reason": f"job {job.job_id} failed", "paused": hour_ago},
        "refused": {"error": "there is no time zone Mars"}, "late": {"due": 1},
        "missed": {"missed_at": hour_ago, "skipped missed": 3},
        "fine": {"missed_at": hour_ago - 90_000_000, "skipped missed": 9},
    }  # fmt: skip
    for name, values in stored.items():
        site.redis.hset(site.key("schedule", name), mapping=values)
    ScheduleState("paused").pause("audit", by="kim")
    page = admin.page("/")
    text = text_of(page)
    assert f"schedule failed: job {job.job_id} has failed, which paused it 1 schedule" in text
    assert "schedule refused: it cannot start its job: there is no time zone Mars" in text
    assert "schedule late: it is " in text
    assert "schedule missed has missed times" in text
    assert "3 times" in text
    assert "schedule paused" not in text
    assert "schedule fine" not in text
    assert "goes on" in admin.act(button(page, "Resume"))
    assert ScheduleState("failed").info().status == "active"
    assert button(page, "Backfill") == "/schedules/backfill?name=missed"
    kinds = [one.kind for one in attention([site.engine])]
    assert kinds == [AttentionKind.SCHEDULE, AttentionKind.SCHEDULE, AttentionKind.MISSED]


def test_a_queue_without_workers(admin: Browser) -> None:
    """It says what starts one."""
    jobs(2)
    page = admin.page("/")
    assert "no worker serves queue celery" in page
    assert "2 messages" in text_of(page)
    assert "flowforge worker -Q celery" in page
    assert '<th scope="row"></th>' not in page


def test_a_stuck_job(site: Installation, admin: Browser) -> None:
    """Its page says why."""
    served(site)
    (job,) = jobs(1)
    site.redis.hset(site.key("job", job.job_id), mapping={"queued": 0, "updated": 1})
    page = admin.page("/")
    assert "nothing of it is queued, running or on a timer" in page
    assert button(page, "Explain") == f"/jobs/{job.job_id}"


def test_quarantined_jobs(site: Installation, admin: Browser) -> None:
    """They are told apart from those that a handler has failed."""
    served(site)
    (job,) = jobs(1)
    store = site.engine.store
    store.invocations.claim(job.job_id, "1.0.0", "t", 1)
    eventually(lambda: store.upkeep.reclaim(0, 10, 0).counts == (0, 1, 0))
    assert [one.kind for one in attention([site.engine])] == [AttentionKind.QUARANTINED]
    admin.act(button(admin.page("/"), "Retry"))
    assert job.status != "failed"


def test_an_open_page_looks_at_it_more_seldom(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Than at what changes fast; a page that is loaded looks at it at once."""
    needs, now = Needs(), 100.0
    monkeypatch.setattr("flowforge.web.needs.time.monotonic", lambda: now)
    engines = site.engine.each

    def seen(*, again: bool) -> list[str]:
        return [row.one.kind for row in needs.rows(engines, again=again)]

    served(site)
    assert seen(again=True) == []
    jobs(1)[0].pause("look")
    assert seen(again=True) == []
    assert seen(again=False) == ["paused"]
    jobs(1, "other")[0].pause("look")
    now += 9.9
    assert seen(again=True) == ["paused"]
    now += 0.1
    assert seen(again=True) == ["paused", "paused"]


def test_child_jobs_of_a_paused_job_are_not_stuck(site: Installation) -> None:
    """It is the parent that needs a person."""
    served(site)
    parent, child = jobs(2)
    site.redis.hset(
        site.key("job", child.job_id),
        mapping={"queued": 0, "updated": 1, "parent": parent.job_id},
    )
    assert [one.kind for one in attention([site.engine])] == [AttentionKind.STUCK]
    parent.pause("look")
    assert [one.kind for one in attention([site.engine])] == [AttentionKind.PAUSED]


def test_a_viewer_has_no_buttons(site: Installation) -> None:
    jobs(1)[0].pause("look")
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        page = viewer.page("/")
        assert "look" in page
        assert 'class="button"' not in page


def test_several_servers(server: LocalServer) -> None:
    """What is the same on two of them is one row."""
    with paired(server) as both, dashboard(both) as client:
        some = [jobs(1)[0] for _ in range(4)]
        assert {both.of(job.job_id) for job in some} == set(both.each)
        for job in some:
            job.pause("look")
        assert "Resume 4 jobs?" in client.page(button(client.page("/"), "Resume"))
