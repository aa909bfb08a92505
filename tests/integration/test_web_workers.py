"""The dashboard's page of workers: who is there, what waits on which queue, and what runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import Flow, routine
from flowforge.engine.fleet.queues import queues
from flowforge.engine.workers import Fleet
from flowforge.local.server import LocalServer
from flowforge.store.fleet_reads.worker_reports import STALE, WorkerReports
from tests.browser.flows import orders
from tests.integration.installation import FAST, Installation, installed
from tests.integration.web_client import Browser
from tests.support.eventually import eventually

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"


@routine
def send(n: int) -> None:
    """No worker serves its queue."""


def letters(queue: str = "letters") -> Flow:
    flow = Flow("mail")
    flow.add_routine(send, "send", queue=queue)
    return flow


@pytest.fixture
def site(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    with installed(server, tmp_path, ("tests.browser.flows",), **FAST) as installation:
        yield installation


def row(text: str, head: str) -> str:
    """The row of a table with this text in its head."""
    found = re.search(rf'<th scope="row">(?:(?!</th>).)*{re.escape(head)}.*?</tr>', text, re.DOTALL)
    assert found is not None, head
    return found[0]


def test_without_workers_it_says_how_to_start_one(admin: Browser) -> None:
    text = admin.page("/workers")
    for part in ("No worker is there", "flowforge worker -Q celery", "No queue", "No handler runs"):
        assert part in text, part


def test_a_worker_shows_what_it_serves_and_runs(
    site: Installation, admin: Browser, tmp_path: Path
) -> None:
    """Pool, processes, queues, release, and the attempt that runs with its job and since when."""
    gate = tmp_path / "gate"
    site.fleet.start(concurrency=2)
    site.lead()
    job = orders.execute("read", {"rows": 1, "path": str(gate)})
    eventually(Path(f"{gate}.held").exists, message="a running handler")
    text = admin.page("/workers")
    (worker,) = Fleet(site.engine.store).live
    found = row(text, worker.name)
    for part in ("live", "prefork</bdi> 2", "<td>1</td>", "celery", worker.version):
        assert part in found, part
    assert "does the upkeep" not in text
    found = row(text, "work.input")
    for part in (job.job_id, worker.name, Path(f"{gate}.held").read_text(), "<time "):
        assert part in found, part
    assert "served" in row(text, "celery")
    gate.touch()
    assert job.wait(20).status == "completed"
    assert "No handler runs now" in admin.page("/workers")


def test_a_queue_that_no_worker_serves_is_first(site: Installation, admin: Browser) -> None:
    """With how many messages wait, of all priorities, and how to start a worker for it."""
    site.fleet.start(concurrency=1)
    site.lead()
    for priority in (0, 5, 9):
        letters().execute("send", {"n": 1}, priority=priority)
    text = admin.page("/workers")
    assert re.findall(r'<th scope="row"><bdi>(letters|celery)<', text) == ["letters", "celery"]
    found = row(text, "letters")
    for part in ("unserved", "<td>3</td>", "flowforge worker -Q letters"):
        assert part in found, part


def test_a_worker_that_does_not_report_is_silent(
    site: Installation, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is remembered; it serves nothing then."""
    reports = WorkerReports(site.engine.store)
    reports.write("w1@host", "m", {"queues": ["celery"], "pool": "solo", "concurrency": 1}, ())
    assert "live" in row(admin.page("/workers"), "w1@host")
    later = reports._now() + STALE + 5
    monkeypatch.setattr(WorkerReports, "_now", lambda _: later)
    text = admin.page("/workers")
    assert re.search(r"silent</span> for \d+ s", row(text, "w1@host"))
    assert "No queue" in text


def test_reports_that_cannot_be_read_do_not_blame_a_queue(
    site: Installation, admin: Browser
) -> None:
    """A worker of a newer release may serve it."""
    letters().execute("send", {"n": 1})
    assert "unserved" in row(admin.page("/workers"), "letters")
    site.redis.hset(site.key("workers"), "odd@host", b"\xc1")
    text = admin.page("/workers")
    assert "Left out" in text
    assert "unserved" not in row(text, "letters")


def test_names_are_text_and_nothing_else(site: Installation, admin: Browser) -> None:
    letters(HOSTILE).execute("send", {"n": 1})
    WorkerReports(site.engine.store).write(HOSTILE, "m", {"queues": [HOSTILE], "pool": "solo"}, ())
    text = admin.page("/workers")
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


def test_what_is_no_list_is_said(site: Installation) -> None:
    """Something else has the queue's key."""
    letters().execute("send", {"n": 1})
    site.redis.delete(site.broker_list("letters"))
    site.redis.set(site.broker_list("letters"), "x")
    (found,) = [one for one in queues(site.engine, Fleet(site.engine.store)) if one.refusal]
    assert found.name == "letters"
