"""What is kept of what people do in the dashboard, and the page that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowforge import Bulk, Flow, JobState, routine, web
from flowforge.engine.engine import Submitter
from flowforge.engine.finding.audit import AuditFilter, find_audit
from flowforge.local.server import LocalServer
from flowforge.model.jobs.audit import AuditRecord
from flowforge.store.fleet_reads.audit import AuditStream
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.web.audit import Audit
from flowforge.web.security import passwords
from flowforge.web.views import PAGES
from tests.integration.installation import Installation
from tests.integration.web_client import Browser, dashboard, fail_job
from tests.integration.web_jobs import text_of
from tests.integration.web_pair import paired

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"


@routine(secret=["card"])
def charge(amount: int = 1, card: str = "") -> None:
    """Nothing is done: no worker is there."""


def execute(flow_id: str = "shop", **params: object) -> JobState:
    flow = Flow(flow_id)
    flow.add_routine(charge, "charge")
    return flow.execute("charge", params)


def kept(submitter: Submitter) -> list[AuditRecord]:
    """All entries, the oldest first."""
    found = find_audit(submitter.each, AuditFilter(), 1000)
    assert found.left_out == []
    return [one.record for one in found.entries][::-1]


def actions(submitter: Submitter) -> list[tuple[str, str]]:
    return [(one.action, one.outcome) for one in kept(submitter)]


def test_each_action_has_an_entry(site: Installation, admin: Browser) -> None:
    """With who, the jobs, the reason, and what came of it; of params nothing."""
    job = execute(amount=771234567, card="4242-secret")
    address = f"/jobs/{job.job_id}"
    admin.act(f"{address}/pause", reason=HOSTILE)
    admin.act(f"{address}/resume")
    fail_job(site.engine, job)
    admin.act(f"{address}/retry", reason="the bank is back")
    admin.act(f"{address}/cancel", reason="enough")
    admin.act(
        "/flows/run?id=shop", further='{"amount": 781234567}', values={"param.0": "4242-secret"}
    )
    DeadLetters(site.engine.store).bury("celery", "no good", b"{}")
    admin.act(f"/dead-letters/{site.engine.store.server_name}/1/drop")
    found = kept(site.engine)
    assert [(one.action, one.outcome) for one in found] == [
        ("log in", "done"), ("pause", "done"), ("resume", "done"), ("retry", "done"),
        ("cancel", "done"), ("run", "done"), ("drop dead letter", "done"),
    ]  # fmt: skip
    assert {one.by[:6] for one in found} == {"token-"}
    assert {one.role for one in found} == {"admin"}
    assert [one.job_ids for one in found[1:5]] == [(job.job_id,)] * 4
    assert found[5].job_ids == (JobState.find(status="pending")[0].job_id,)
    assert [one.reason for one in found[1:5]] == [HOSTILE, "", "the bank is back", "enough"]
    page = admin.page("/audit")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    for absent in ("4242-secret", "771234567", "781234567"):
        assert absent not in str(found), absent


def test_bulk_operations_have_entries(site: Installation, admin: Browser) -> None:
    """That one was begun and aborted; what it does to each job stands in the job's history."""
    jobs = [execute(), execute()]
    query = "&".join(f"job={job.job_id}" for job in jobs)
    admin.act(f"/bulk/new/cancel?{query}", reason="closed", rate="0.001")
    (info,) = Bulk.recent()
    admin.act(f"/bulk/{info.bulk_id}/abort")
    begun, aborted = kept(site.engine)[1:]
    assert (begun.action, begun.reason) == ("cancel many", "closed")
    assert begun.job_ids == tuple(job.job_id for job in jobs)
    assert info.bulk_id in begun.what
    assert (aborted.action, aborted.outcome) == ("abort bulk operation", "done")
    assert info.bulk_id in aborted.what


def test_a_page_that_asks_has_none(site: Installation, admin: Browser) -> None:
    """Nor has a form whose fields are wrong: nothing was done, and nobody was refused."""
    job = execute(amount=1)
    admin.page(f"/jobs/{job.job_id}/pause")
    admin.act(f"/jobs/{job.job_id}/rerun", values={"value.0": "2"})
    admin.act("/flows/run?id=shop", 409, further="[")
    assert actions(site.engine) == [("log in", "done")]


def test_what_is_refused_is_kept(site: Installation, admin: Browser) -> None:
    """By the role, and by the state of the job; a flood of it with its number."""
    job = execute()
    address = f"/jobs/{job.job_id}"
    data = admin.hidden(admin.page(f"{address}/pause"))
    job.cancel("by another")
    admin.post(f"{address}/pause", data=data)
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        for _ in range(5):
            viewer.post(f"{address}/delete", data={"token": "any"})
    found = kept(site.engine)
    assert [(one.action, one.outcome, one.role) for one in found] == [
        ("log in", "done", "admin"), ("pause", "refused", "admin"), ("log in", "done", "viewer"),
        ("delete", "refused", "viewer"),
    ]  # fmt: skip
    assert "is cancelled now: pause does not fit" in found[1].what
    assert "takes the role admin" in found[3].what


def test_a_refused_form_names_no_jobs(site: Installation) -> None:
    """Unless the page itself is about one: its address may have been made up."""
    query = "job=made-up&job=another"
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        viewer.post(f"/bulk/new/cancel?{query}", data={"token": "any"})
        viewer.post("/jobs/some-job/cancel?job=made-up", data={"token": "any"})
    with dashboard(site.engine) as client:
        client.post(f"/bulk/new/cancel?{query}", data={"token": "any"})
    refused = [one for one in kept(site.engine) if one.outcome == "refused"]
    assert [(one.action, one.role, one.job_ids) for one in refused] == [
        ("cancel many", "viewer", ()), ("cancel", "viewer", ("some-job",)),
        ("cancel many", "admin", ()),
    ]  # fmt: skip


def test_a_flood_is_counted(site: Installation) -> None:
    """The first is kept at once, those of the next minute together."""
    audit = Audit(writes=True)
    for _ in range(1000):
        audit.tell(site.engine, AuditRecord("kim", "dashboard", "delete", "refused"))
        audit.tell(site.engine, AuditRecord("ann", "dashboard", "delete", "refused"))
    assert [(one.by, one.count) for one in kept(site.engine)] == [("kim", 1), ("ann", 1)]
    audit.flush()
    assert [(one.by, one.count) for one in kept(site.engine)][2:] == [("kim", 999), ("ann", 999)]
    audit.flush()
    assert len(kept(site.engine)) == 4


def test_logins(site: Installation, tmp_path: Path) -> None:
    """Of a failed one no name is kept: a password may have been typed there."""
    path = tmp_path / "users"
    passwords.add(path, "kim", "operator", "secret words")
    with Browser(web.app(site.engine, authentication=web.PasswordFile(path))) as client:
        for secret in ("wrong", "wrong again", "secret words"):
            client.post("/login", data={"name": "kim", "secret": secret})
        client.post("/logout")
        client.post("/logout")
    found = kept(site.engine)
    assert [(one.by, one.role, one.action, one.outcome) for one in found] == [
        ("", "", "log in", "refused"), ("kim", "operator", "log in", "done"),
        ("kim", "operator", "log out", "done"),
    ]  # fmt: skip
    assert found[0].what.startswith("from ")
    assert "wrong" not in str(found)


def test_a_read_only_dashboard_keeps_nothing(site: Installation) -> None:
    job = execute()
    with dashboard(site.engine, read_only=True) as client:
        client.post(f"/jobs/{job.job_id}/pause", data={"token": "any"})
        assert "There are no such entries" in client.page("/audit")
    assert kept(site.engine) == []


def test_every_page_that_changes_something_has_an_action() -> None:
    """Its name is that of the entry; no two subjects share one by chance."""
    names = [page.action for page in PAGES if page.method == "POST"]
    assert all(names)
    assert len(set(names)) == len(names)


def test_entries_are_found(site: Installation, admin: Browser) -> None:
    """By person, action and job, page by page."""
    stream = AuditStream(site.engine.store)
    for number in range(120):
        name, action = ("kim", "pause") if number % 2 else ("ann", "cancel many")
        stream.add(AuditRecord(name, "command line", action, job_ids=(f"job-{number}",)))
    text = text_of(admin.page("/audit?by=kim"))
    assert text.count("job-") == 50
    assert "job-118" not in text
    assert "cancel many" in admin.page("/audit?action=cancel")
    assert text_of(admin.page("/audit?job=job-7")).count("job-") == 1
    seen: list[str] = []
    for page in admin.pages("/audit"):
        seen += re.findall(r"<code>job-(\d+)</code>", page)
    assert [int(number) for number in seen] == list(range(119, -1, -1))
    assert "cursor" in admin.page("/audit?cursor=x", 409)


def test_a_damaged_entry_is_left_out(site: Installation, admin: Browser) -> None:
    """And said; the others are shown."""
    AuditStream(site.engine.store).add(AuditRecord("kim", "dashboard", "pause"))
    site.redis.xadd(site.key("audit"), {"r": b"\x00"})
    text = text_of(admin.page("/audit"))
    assert "Left out: the audit entry" in text
    assert "kim" in text


def test_entries_of_several_servers(server: LocalServer) -> None:
    """Each stands on the server of its job; the page has them by time, each once."""
    with paired(server) as both, dashboard(both) as client:
        jobs = [execute() for _ in range(6)]
        for job in jobs:
            client.act(f"/jobs/{job.job_id}/pause", reason="look")
        for engine in both.each:
            found = kept(engine)
            own = [one for one in found if one.action == "pause"]
            assert {both.of(one.job_ids[0]) for one in own} == {engine}
        text = client.page("/audit")
        assert re.findall(r"<code>([^<]+)</code>", text) == [job.job_id for job in jobs][::-1]


def test_who_was_faster(site: Installation, admin: Browser) -> None:
    """Also about what is gone: a job, a dead letter, a bulk operation."""
    job = execute()
    job.cancel()
    address = f"/jobs/{job.job_id}/delete"
    data = admin.hidden(admin.page(address))
    admin.act(address)
    told = text_of(admin.post(address, data=data).text)
    assert re.search(r"; token-\w+ did it .{1,10} ago \(delete\)", told), told
    DeadLetters(site.engine.store).bury("celery", "no good", b"{}")
    address = f"/dead-letters/{site.engine.store.server_name}/1/drop"
    data = admin.hidden(admin.page(address))
    admin.act(address)
    told = text_of(admin.post(address, data=data).text)
    assert re.search(r"; token-\w+ did it .{1,10} ago \(drop dead letter\)", told), told
    bulk = Bulk.cancel([execute() for _ in range(5)], rate=0.001)
    address = f"/bulk/{bulk.bulk_id}/abort"
    data = admin.hidden(admin.page(address))
    bulk.abort(by="kim")
    told = text_of(admin.post(address, data=data).text)
    assert "abort does not fit; kim has aborted it" in told
