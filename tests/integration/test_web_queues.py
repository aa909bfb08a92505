"""The dashboard pauses a queue and resumes it, and says of a paused one who did it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import JobState, Queue, web
from flowforge.local.server import LocalServer
from tests.integration.flows import countdown
from tests.integration.installation import Installation, installed
from tests.integration.web_client import Browser, dashboard

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def site(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    with installed(server, tmp_path) as installation:
        countdown().execute("it", {"n": 0}, fair_key=HOSTILE, weight=2)
        yield installation


def test_a_queue_is_paused_and_resumed(site: Installation, admin: Browser) -> None:
    """After a question; who did it and why stands in the list, on the overview and in the audit."""
    assert 'href="/queues/pause?queue=celery"' in admin.page("/workers")
    address = "/queues/pause?queue=celery"
    assert "Workers start nothing of it" in admin.page(address)
    assert Queue("celery").paused is None
    assert "Queue celery is paused." in admin.act(address, reason=HOSTILE)
    pause = Queue("celery").paused
    assert pause is not None
    assert pause.reason == HOSTILE
    for page in ("/workers", "/", "/doctor"):
        text = admin.page(page)
        assert "&lt;script&gt;alert(1)" in text, page
        assert "<script>alert" not in text, page
    assert "It was paused before." in admin.act(address, status=409)
    assert "Queue celery goes on." in admin.act("/queues/resume?queue=celery")
    assert Queue("celery").paused is None
    assert "It was resumed before." in admin.act("/queues/resume?queue=celery", status=409)
    audit = admin.page("/audit")
    assert "pause queue" in audit
    assert "Queue celery goes on." in audit


def test_a_queue_has_a_name(admin: Browser) -> None:
    """Without one nothing is asked."""
    assert "names no queue" in admin.page("/queues/pause", 409)


def test_a_viewer_may_not(site: Installation) -> None:
    """The list has no buttons for one."""
    with dashboard(site.engine, web.Role.VIEWER) as viewer:
        assert "/queues/pause" not in viewer.page("/workers")
        assert "takes the role operator" in viewer.page("/queues/pause?queue=celery", 403)


def test_a_job_shows_its_fair_key(site: Installation, admin: Browser) -> None:
    """With its weight, as text."""
    (job,) = JobState.find()
    job_id = job.job_id
    text = admin.page(f"/jobs/{job_id}")
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>, weight 2" in text
