"""The dashboard without a browser: requests to its application, on a real server."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient
from starlette.types import ASGIApp

from flowforge import JobState, web
from flowforge.codec.binary import pack_record
from flowforge.engine.engine import Engine, Submitter
from flowforge.execution.effects import Effects
from flowforge.model.jobs.error_group import ErrorSample, group_id
from flowforge.model.jobs.status import AttemptOutcome

TOKEN = "a-token-for-the-tests"
ADDRESS = "http://localhost"


@contextmanager
def dashboard(
    engine: Submitter, role: web.Role = web.Role.ADMIN, **options: Any
) -> Iterator[Browser]:
    """A client that has logged in with a role."""
    application = web.app(engine, authentication=web.Token(TOKEN, role), **options)
    with Browser(application) as client:
        assert client.get(f"/login?token={TOKEN}").status_code == 200
        yield client


class Browser(TestClient):
    """Follows redirects, keeps cookies, and says where a request comes from, as browsers do."""

    def __init__(self, application: ASGIApp, base_url: str = ADDRESS) -> None:
        super().__init__(application, base_url=base_url)
        self.headers["origin"] = base_url.rstrip("/")
        self.headers["sec-fetch-site"] = "same-origin"

    def page(self, address: str, status: int = 200) -> str:
        """The text of a page."""
        reply = self.get(address)
        assert reply.status_code == status, reply.text
        return reply.text

    def pages(self, address: str) -> Iterator[str]:
        """The page, and those that it leads to one after the other."""
        following: str | None = address
        while following:
            text = self.page(following)
            yield text
            found = re.search(r'rel="next" href="([^"]+)"', text)
            following = html.unescape(found[1]) if found else None

    def form_token(self, address: str) -> str:
        """The token of the form on a page."""
        found = re.search(r'name="token" value="([^"]+)"', self.page(address))
        assert found is not None
        return found[1]

    def hidden(self, page: str) -> dict[str, str]:
        """What the form of a page carries, as a browser sends it."""
        form = page[page.index('<form method="post">') :]
        found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
        return {name: html.unescape(value) for name, value in found}

    def act(
        self, address: str, status: int = 200, values: Mapping[str, str] | None = None, **more: str
    ) -> str:
        """Send the form of a page; the text of the page that it leads to."""
        data = {**self.hidden(self.page(address)), **(values or {}), **more}
        reply = self.post(address, data=data)
        assert reply.status_code == status, reply.text
        return reply.text


def fail_job(
    engine: Engine, job: JobState, kind: str = "shop.CardError", message: str = "no money"
) -> str:
    """Fail a job as a worker would, without one; the id of the group that its error is in."""
    identity = (job.flow_id, "r0", kind, "shop.charge")
    group = group_id(*identity)
    sample = ErrorSample(group, *identity[1:], message)
    invocations, details = engine.store.invocations, pack_record("w1", 1, 5, {}, None, None)
    invocations.claim(job.job_id, "1.0.0", "t", 60_000)
    error = pack_record({"type": kind, "message": message})
    answer = invocations.fail(
        job.job_id, "1.0.0", "t", 5, details, f"{kind}: {message}", error, sample
    )
    assert answer == "ok"
    return group


def expect_answer(engine: Engine, job: JobState) -> int:
    """Let a job expect an answer at its first slot, as a commit does; the number to answer."""
    place = ("r0", "r0.input")
    shown = pack_record({"key": "", "assign": []})
    wanted = (0, "", 0, 0, 1, 1, 0, b"", "", "", "", "", "", *place, shown, b"")
    invocations, details = engine.store.invocations, pack_record("w1", 1, 5, {}, None, None)
    invocations.claim(job.job_id, "1.0.0", "t", 60_000)
    answer, _ = invocations.commit(
        job.job_id, "1.0.0", "t", AttemptOutcome.COMPLETED, 5, details,
        Effects([], {}, [], [], [], [], [wanted]), None, (),
    )  # fmt: skip
    assert answer == "ok"
    (found,) = job.expectations
    return found.invocation
