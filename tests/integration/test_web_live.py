"""What an open page is read for, look by look."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer
from starlette.datastructures import FormData
from starlette.requests import Request

from flowforge import Flow, JobState, routine, web
from flowforge.codec.binary import pack_record
from flowforge.local.server import LocalServer
from flowforge.web.audit import Audit
from flowforge.web.dashboard import Dashboard, templates
from flowforge.web.open_page import OpenPage
from flowforge.web.page import Call, Pages
from flowforge.web.security.sessions import Sessions
from flowforge.web.views import PAGES, job_page
from tests.integration.installation import Installation, installed
from tests.integration.web_client import TOKEN, fail_job

pytestmark = pytest.mark.usefixtures("no_settings")

#: Looks at an open page: its fragments.
Look = Callable[[], Mapping[str, str]]


@routine
def charge(amount: int) -> None:
    """It is never run."""


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    directory = tmp_path_factory.mktemp("web-live")
    with installed(server, directory, ("tests.integration.flows",)) as installation:
        yield installation


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that were read for their pages, one after the other."""
    found: list[str] = []
    shown = job_page.shown

    def noted(engine: Any, job_id: str, **options: Any) -> dict[str, Any]:
        found.append(job_id)
        return shown(engine, job_id, **options)

    monkeypatch.setattr(job_page, "shown", noted)
    return found


def opened(site: Installation, path: str, parts: Collection[str] = ()) -> Look:
    """A page that an admin has open."""
    token = web.Token(TOKEN)
    user = token.log_in("", TOKEN)
    assert user is not None
    dashboard = Dashboard(
        site.engine, Sessions(token, "s"), templates(), URLSafeTimedSerializer("s"), False,
        Audit(writes=False),
    )  # fmt: skip
    pages = Pages(dashboard, PAGES)
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [],
        "root_path": "",
    }  # fmt: skip
    found = pages.page_of(Request(scope))
    assert found is not None
    page, own_scope = found
    call = Call(dashboard, Request(own_scope), user, FormData(), again=True, parts=parts)
    one = OpenPage()
    return lambda: pages.fragments(page, call, one)


def shop() -> Flow:
    flow = Flow("shop")
    flow.add_routine(charge)
    return flow


def failed(site: Installation) -> JobState:
    job = shop().execute("charge", {"amount": 1})
    fail_job(site.engine, job)
    return job


def test_a_job_at_rest_is_not_read_again(
    site: Installation, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until something of it changes, or after ten seconds, since it says how long ago it failed."""
    job = failed(site)
    look = opened(site, f"/jobs/{job.job_id}")
    for _ in range(4):
        found = look()
    assert len(reads) == 2, "at the second look it is known to be at rest"
    assert "it failed" in found["head"]
    job.label(tenant="acme")
    assert "tenant=acme" in look()["head"]
    assert look() == look()
    assert len(reads) == 3
    job.edit(1, {"amount": 2})
    assert "edited" in look()["history"]
    later = time.monotonic() + 11
    monkeypatch.setattr(time, "monotonic", lambda: later)
    look()
    assert len(reads) == 5


def test_a_job_that_goes_on_is_read_each_time(site: Installation, reads: list[str]) -> None:
    """Also one that has ended before."""
    job = failed(site)
    look = opened(site, f"/jobs/{job.job_id}")
    for _ in range(3):
        look()
    job.retry()
    for times in (3, 4, 5):
        assert "failed</span>" not in look()["head"].partition("</p>")[0]
        assert len(reads) == times
    job.cancel()
    assert "cancelled" in look()["head"]
    job.delete()
    assert look() == {}


def test_earlier_entries_are_read_when_they_are_open(site: Installation) -> None:
    """A page that is loaded has them; an open one says how many there are."""
    job = shop().execute("charge", {"amount": 1})
    for number in range(60):
        site.engine.note(job.job_id, pack_record("charge", "note", {"number": number}))
    path = f"/jobs/{job.job_id}"
    closed, open_ = (opened(site, path, parts)() for parts in ((), ("earlier",)))
    assert closed["history"] == open_["history"]
    assert closed["history"].count("<tr data-row") == 40
    assert "20 earlier ones" in closed["earlier"]
    assert (closed["earlier"].count("<tr data-row"), open_["earlier"].count("<tr data-row")) == (
        0, 20,
    )  # fmt: skip


def test_a_look_reads_the_row_of_a_job_once(
    site: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many parts of the page need it; the next look reads it again."""
    job = shop().execute("charge", {"amount": 1})
    asked: Counter[str] = Counter()
    call = site.engine.link.call

    def noted(*command: Any) -> Any:
        if command[1:2] == (site.engine.store.keys.of("job", job.job_id),):
            asked[command[0]] += 1
        return call(*command)

    monkeypatch.setattr(site.engine.link, "call", noted)
    look = opened(site, f"/jobs/{job.job_id}")
    assert "pending" in look()["head"]
    assert asked == {"HGETALL": 1}
    job.pause("look at it")
    assert "paused" in look()["head"]
