"""The dashboard's page of dead letters, and what an admin does with one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flowforge import Flow, routine, web
from flowforge.local.server import LocalServer
from flowforge.store.fleet_reads.dead_letters import KEPT_BYTES, DeadLetters
from tests.integration.installation import Installation, installed
from tests.integration.web_client import Browser, dashboard

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"


@routine
def charge(amount: int) -> None:
    """Nothing is done: no worker is there."""


@pytest.fixture
def site(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    with installed(server, tmp_path) as installation:
        flow = Flow("shop")
        flow.add_routine(charge, "charge")
        flow.execute("charge", {"amount": 1})
        yield installation


@pytest.fixture
def letters(site: Installation) -> DeadLetters:
    return DeadLetters(site.engine.store)


def test_letters_are_listed_the_newest_first(admin: Browser, letters: DeadLetters) -> None:
    """With queue, reason and the beginning of the message, which are text and nothing else."""
    assert "There are none" in admin.page("/dead-letters")
    letters.bury("celery", HOSTILE, HOSTILE.encode() + b"\xff" * 400)
    letters.bury("other", "bad", b"x" * (KEPT_BYTES + 1))
    text = admin.page("/dead-letters")
    assert text.index("<bdi>other<") < text.index("<bdi>celery<")
    assert "bytes, cut" in text
    assert "2/requeue" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "<script>alert" not in text


def test_one_is_sent_again(site: Installation, admin: Browser, letters: DeadLetters) -> None:
    """To the list of its queue and priority, after a question."""
    letters.bury("other", "bad", b'{"properties": {"priority": 0}}')
    address = f"/dead-letters/{site.engine.store.server_name}/1/requeue"
    assert "goes to its queue again" in admin.page(address)
    assert letters.count() == 1
    assert "Dead letter 1 was sent again." in admin.act(address)
    assert letters.count() == 0
    assert site.queued("other") == 1


def test_one_is_dropped(site: Installation, admin: Browser, letters: DeadLetters) -> None:
    """A second person is told that it is gone."""
    letters.bury("other", "bad", b"{}")
    address = f"/dead-letters/{site.engine.store.server_name}/1/drop"
    token = admin.form_token(address)
    assert "Dead letter 1 is dropped." in admin.act(address)
    assert letters.count() == 0
    reply = admin.post(address, data={"token": token})
    assert reply.status_code == 409
    assert "there is no dead letter 1" in reply.text
    assert "no server is named none" in admin.page("/dead-letters/none/1/drop", 409)


def test_an_operator_looks_on(site: Installation, letters: DeadLetters) -> None:
    letters.bury("other", "bad", b"{}")
    with dashboard(site.engine, web.Role.OPERATOR) as operator:
        text = operator.page("/dead-letters")
        assert "bad" in text
        assert "Drop" not in text
        operator.page(f"/dead-letters/{site.engine.store.server_name}/1/drop", 403)
    assert letters.count() == 1
