"""Acting on many jobs from the list of the dashboard: what is asked, what is begun, what is not."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from flowforge import Bulk, Flow, JobState, routine, web
from flowforge.local.server import LocalServer
from flowforge.web.views import bulk_jobs
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, dashboard, fail_job
from tests.integration.web_jobs import text_of
from tests.integration.web_pair import paired

pytestmark = pytest.mark.usefixtures("no_settings")


@routine
def charge(amount: int) -> None:
    """Nothing is done: no worker is there."""


def shop(flow_id: str = "shop") -> Flow:
    flow = Flow(flow_id)
    flow.add_routine(charge, "charge")
    return flow


def jobs(number: int, labels: Mapping[str, str] | None = None) -> list[JobState]:
    return shop().execute_many("charge", [{"amount": 1}] * number, labels=labels)


def of(name: str, some: Sequence[JobState]) -> str:
    """The address of the question about these jobs."""
    return f"/bulk/new/{name}?" + "&".join(f"job={job.job_id}" for job in some)


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def found_from(client: Browser, bulk_id: str) -> set[str]:
    """The jobs that the page of an operation leads to."""
    found = re.search(r'href="(/jobs\?[^"]+)">Those that', client.page(f"/bulk/{bulk_id}"))
    assert found is not None
    page = client.page(html.unescape(found[1]))
    return set(re.findall(r'<th scope="row"><a href="/jobs/([^"]+)"', page))


def test_the_list_leads_to_the_question(site: Installation, admin: Browser) -> None:
    """Each row can be selected, each action has a button, and the search goes along."""
    (job,) = jobs(1, {"tenant": "acme"})
    page = admin.page("/jobs?label=tenant%3Dacme&status=pending")
    assert f'name="job" value="{job.job_id}" form="bulk"' in page
    for name in ("retry", "pause", "resume", "cancel", "label", "delete"):
        assert f'formaction="/bulk/new/{name}"' in page
    form = page[page.index('<form id="bulk"') :]
    assert hidden(form, "label") == "tenant=acme"
    assert hidden(form, "status") == "pending"
    with dashboard(site.engine, web.Role.OPERATOR) as operator:
        assert "/bulk/new/delete" not in operator.page("/jobs")
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        assert "checkbox" not in viewer.page("/jobs")
        assert "/bulk/new" not in viewer.page("/jobs")


def test_selected_jobs(admin: Browser) -> None:
    """What will happen to how many of them, then the operation, which says who and why."""
    some = jobs(4)
    some[0].cancel()
    address = of("pause", some[:3])
    page = text_of(admin.page(address))
    for part in (
        "Pause 2 jobs?", "3 found: 3 jobs by their ids", "pending 2: to be acted on",
        "cancelled 1: will be refused", "No handler of the job starts any more", some[2].job_id,
    ):  # fmt: skip
        assert part in page, part
    assert [job.status for job in some[1:]] == ["pending"] * 3
    page = admin.act(address, reason="the bank is closed")
    (info,) = Bulk.recent()
    assert f"Bulk operation {info.bulk_id} has begun." in page
    assert "the bank is closed" in page
    assert (info.action, info.by[:6], info.progress.matched) == ("pause", "token-", 3)
    Bulk(info.bulk_id).wait(20)
    assert [job.status for job in some] == ["cancelled", "paused", "paused", "pending"]
    assert found_from(admin, info.bulk_id) == {job.job_id for job in some[1:3]}
    assert some[1].pause_points[-1]["reason"] == "the bank is closed"


def test_all_that_match_the_search(admin: Browser) -> None:
    """The jobs that were there when the question was shown: a later one is not among them."""
    some = jobs(7, {"tenant": "acme"})
    jobs(2, {"tenant": "globex"})
    address = "/bulk/new/cancel?which=all&label=tenant%3Dacme"
    page = admin.page(address)
    assert "Cancel 7 jobs?" in page
    assert "label tenant=acme" in page
    assert "and 2 more" in page
    (later,) = jobs(1, {"tenant": "acme"})
    data = admin.hidden(page)
    reply = admin.post(address, data={**data, "reason": "closed", "rate": "500"})
    assert reply.status_code == 200
    (info,) = Bulk.recent()
    assert (info.progress.matched, info.rate) == (7, 500)
    Bulk(info.bulk_id).wait(20)
    assert {job.status for job in some} == {"cancelled"}
    assert later.status == "pending"


def test_a_reason_is_required(admin: Browser) -> None:
    """And what else was typed stays."""
    some = jobs(2)
    address = of("cancel", some)
    page = admin.act(address, 409, reason=" ", rate="fast")
    assert "Say why" in page
    assert "a number of jobs a second" in page
    assert 'value="fast"' in page
    assert Bulk.recent() == []


def test_every_job_is_confirmed(admin: Browser) -> None:
    """A search without any field means all there are."""
    jobs(3)
    page = admin.page("/bulk/new/pause?which=all")
    assert "this means EVERY job" in page
    page = admin.act("/bulk/new/pause?which=all", 409, reason="all")
    assert "Confirm that you mean every job" in page
    assert Bulk.recent() == []
    page = admin.act("/bulk/new/pause?which=all", reason="all", everything="yes")
    assert "has begun" in page


def test_labels(admin: Browser) -> None:
    """Set and taken away; one that is none is told of beside its field."""
    some = jobs(2, {"tenant": "acme", "old": "yes"})
    address = of("label", some)
    page = admin.act(address, 409, reason="order", set="tenant", remove="a=b")
    assert "tenant is no label" in page
    assert "must have no &#39;=&#39;" in page
    assert "Give a label to set" in admin.act(address, 409, reason="order")
    admin.act(address, reason="order", set="tenant=globex 'who=Ann B'", remove="old")
    (info,) = Bulk.recent()
    Bulk(info.bulk_id).wait(20)
    assert [job.labels for job in some] == [{"tenant": "globex", "who": "Ann B"}] * 2
    assert found_from(admin, info.bulk_id) == {job.job_id for job in some}


def test_deletions_are_for_admins(site: Installation, admin: Browser) -> None:
    some = jobs(2)
    some[0].cancel()
    with dashboard(site.engine, web.Role.OPERATOR) as operator:
        operator.page(of("delete", some), 403)
        assert operator.page(of("cancel", some))
    admin.act(of("delete", some), reason="no more needed")
    (info,) = Bulk.recent()
    Bulk(info.bulk_id).wait(20)
    assert [one.job_id for one in JobState.find()] == [some[1].job_id]


def test_another_person_was_faster(admin: Browser) -> None:
    """Whoever has changed one of the jobs, or begun a bulk operation, is named; nothing is done."""
    some = jobs(2)
    address = of("cancel", some)
    page = admin.page(address)
    data = admin.hidden(page)
    some[1].pause("look", by="kim")
    reply = admin.post(address, data={**data, "reason": "closed"})
    assert reply.status_code == 409
    assert re.search(rf"Job {some[1].job_id} was changed by kim .* ago\.", text_of(reply.text))
    assert "Nothing was done" in reply.text
    assert 'value="closed"' in reply.text
    data = admin.hidden(reply.text)
    Bulk.resume(some, by="ann")
    reply = admin.post(address, data={**data, "reason": "closed"})
    assert reply.status_code == 409
    assert "ann has started to resume jobs" in text_of(reply.text)
    assert [job.status for job in some] == ["pending", "paused"]
    data = admin.hidden(reply.text)
    assert "has begun" in admin.post(address, data={**data, "reason": "closed"}).text


def test_a_form_that_is_sent_twice(admin: Browser) -> None:
    """Begins one operation: the second is told of the first."""
    address = of("cancel", jobs(2))
    page = admin.page(address)
    data = {**admin.hidden(page), "reason": "closed"}
    assert admin.post(address, data=data).status_code == 200
    assert "has started to cancel jobs" in admin.post(address, data=data).text
    assert len(Bulk.recent()) == 1


def test_two_forms_that_are_sent_at_the_same_moment(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One operation begins, and the other person is told of it."""
    some = jobs(2)
    both, looked = threading.Barrier(2), bulk_jobs._changed
    first: list[object] = []

    def changed(*arguments: Any) -> str:
        text = looked(*arguments)
        if len(first) < 2:
            first.append(text)
            both.wait(20)
        return text

    monkeypatch.setattr(bulk_jobs, "_changed", changed)
    replies = []

    def send(client: Browser, name: str) -> None:
        address = of(name, some)
        data = {**client.hidden(client.page(address)), "reason": name}
        replies.append(client.post(address, data=data))

    with dashboard(site.engine) as ann, dashboard(site.engine) as kim:
        threads = [
            threading.Thread(target=send, args=one) for one in ((ann, "pause"), (kim, "cancel"))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert first == ["", ""]
    assert sorted(reply.status_code for reply in replies) == [200, 409]
    (info,) = Bulk.recent()
    (refused,) = (reply for reply in replies if reply.status_code == 409)
    text = text_of(refused.text)
    assert f"has started to {info.action} jobs" in text
    assert "Nothing was done. Here they are as they are now." in text


def test_an_operation_shows_its_jobs(admin: Browser) -> None:
    """As they are now, also where it leaves nothing on them by which they are found."""
    some = jobs(3)
    for job in some[:2]:
        job.pause("look")
    admin.act(of("resume", some), reason="go on")
    (info,) = Bulk.recent()
    Bulk(info.bulk_id).wait(20)
    page = admin.page(f"/bulk/{info.bulk_id}")
    acted, refused = page[page.index("Jobs that it has acted on") :].split("<h2>Refused")
    assert "All 2, as they are now" in acted
    assert [job.job_id in acted for job in some] == [True, True, False]
    assert acted.count("pending") == 2 * 2
    assert some[2].job_id in refused
    some[0].cancel()
    some[1].cancel()
    admin.act(of("delete", some[:2]), reason="go")
    Bulk(Bulk.recent()[0].bulk_id).wait(20)
    assert "are gone" in admin.page(f"/bulk/{Bulk.recent()[0].bulk_id}")


def test_nothing_to_act_on(site: Installation, admin: Browser) -> None:
    """No selection, jobs that are gone, and jobs of which none fits."""
    assert "no job is selected" in admin.page("/bulk/new/cancel", 409)
    assert "None of them can take this" in admin.page("/bulk/new/cancel?job=none")
    job = shop().execute("charge", {"amount": 1})
    fail_job(site.engine, job)
    assert "None of them can take this" in admin.page(of("resume", [job]))
    many = "&".join(f"job=j{n}" for n in range(501))
    assert "at most 500 jobs" in admin.page(f"/bulk/new/cancel?{many}", 409)
    assert "lacks its moment" in admin.act(of("retry", [job]), 409, reason="x", seen="soon")


def test_jobs_on_several_servers(server: LocalServer) -> None:
    """One operation is about the jobs of all of them."""
    with paired(server) as both, dashboard(both) as client:
        some = jobs(1) + jobs(1) + jobs(1) + jobs(1)
        assert {both.of(job.job_id) for job in some} == set(both.each)
        assert "Pause 4 jobs?" in client.page("/bulk/new/pause?which=all&flow=shop")
        client.act("/bulk/new/pause?which=all&flow=shop", reason="closed")
        (info,) = Bulk.recent()
        Bulk(info.bulk_id).wait(20)
        assert {job.status for job in some} == {"paused"}


def test_a_question_about_more_jobs_than_are_looked_at(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so, with the number if an index knows it; the operation is about all."""
    monkeypatch.setattr("flowforge.engine.bulk.bulk.PASSED_OVER", 2)
    monkeypatch.setattr("flowforge.engine.bulk.selection._LOOK", 2)
    jobs(7, {"tenant": "acme"})
    page = text_of(admin.page("/bulk/new/pause?which=all&label=tenant%3Dacme"))
    for part in ("Pause at least 2 jobs?", " 7 found", "the newest 2 of them alone", "and 5 more"):
        assert part in page, part
    preview = Bulk.preview(JobState.find(labels={"tenant": "acme"}, flow="shop"))
    assert (preview.count, preview.exact, preview.whole) == (2, False, False)
    address = "/bulk/new/pause?which=all&label=tenant%3Dacme&flow=shop&text=shop"
    assert "At least 2 found" in text_of(admin.page(address))
    admin.act(address, reason="the bank is closed")
    assert Bulk.recent()[0].progress.matched == 7
    exact = Bulk.preview(JobState.find(labels={"tenant": "acme"}), exact=True)
    assert (exact.count, exact.exact, exact.statuses["pending"]) == (7, True, 7)
