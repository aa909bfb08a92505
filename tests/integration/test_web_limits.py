"""The dashboard's pages of limits: what they have, what waits, and changing what is in force."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from flowforge import Flow, Limit, routine, web
from flowforge.local.server import LocalServer
from tests.integration.installation import Installation, installed
from tests.integration.web_client import Browser, dashboard

pytestmark = pytest.mark.usefixtures("no_settings")

HOSTILE = "<script>alert(1)</script>"

VENDOR = Limit("vendor", per="customer", running=1)


@routine(limit=VENDOR)
def charge(customer: str) -> None:
    """Nothing is done: no worker is there."""


FLOW = Flow("charges")
FLOW.add_routine(charge, "charge")

IMPORTS = Limit("whole-imports", running=1)

WHOLE = Flow("imports", limit=IMPORTS)
WHOLE.add_routine(charge, "charge")


@pytest.fixture
def site(server: LocalServer, tmp_path: Path) -> Iterator[Installation]:
    with installed(server, tmp_path) as installation:
        yield installation


def address(key: str) -> str:
    return f"/limits/key?key={quote_plus(key)}"


def test_limits_are_listed_with_what_waits(admin: Browser) -> None:
    """Those with most that waits first; a key is text and nothing else."""
    assert "No limit is known" in admin.page("/limits")
    VENDOR.save()
    for customer in ("acme", HOSTILE, HOSTILE):
        FLOW.execute("charge", {"customer": customer})
    text = admin.page("/limits")
    hostile = text.index("<bdi>vendor/&lt;script&gt;alert(1)&lt;/script&gt;</bdi>")
    assert hostile < text.index("<bdi>vendor</bdi>") < text.index("<bdi>vendor/acme</bdi>")
    assert "1 running" in text
    assert HOSTILE not in text


def test_a_key_shows_what_holds_and_what_waits(site: Installation, admin: Browser) -> None:
    """With links to both."""
    VENDOR.save()
    first, second = (FLOW.execute("charge", {"customer": "a/b c"}) for _ in range(2))
    site.engine.store.invocations.claim(first.job_id, "1.0.0", "t", 60_000)
    text = admin.page(address("vendor/a/b c"))
    held, waits = text.index("What has places"), text.index("What waits")
    assert held < text.index(f"/jobs/{first.job_id}") < waits < text.index(f"/jobs/{second.job_id}")
    assert "1 by attempts and jobs, 0 by messages" in text
    assert "vendor/a/b c" in admin.page(address("vendor"))
    page = admin.page(f"/jobs/{second.job_id}")
    assert "for the limit vendor/a/b c" in page
    assert '<rect class="wait w-limit"' in page
    admin.page("/limits/key?key=no such", 409)


def test_whole_jobs_are_shown_as_such(site: Installation, admin: Browser) -> None:
    """Where they hold a place and where they wait, and in the list of jobs."""
    IMPORTS.save()
    first, second = (WHOLE.execute("charge", {"customer": "x"}) for _ in range(2))
    text = admin.page(address("whole-imports"))
    assert text.index(f"/jobs/{first.job_id}") < text.index(f"/jobs/{second.job_id}")
    assert text.count("the whole job") == 2
    assert "1 by attempts and jobs, 0 by messages" in text
    assert admin.page("/jobs").count("waits for a limit of its flow") == 1
    assert "the job, as a whole, waits for the limit whole-imports" in admin.page(
        f"/jobs/{second.job_id}"
    )


def send(admin: Browser, key: str, what: str, **values: str) -> str:
    data = {"token": admin.form_token(address(key)), **values}
    reply = admin.post(address(key).replace("?", f"/{what}?"), data=data)
    assert reply.status_code in (200, 409), reply.text
    return reply.text


def test_an_admin_changes_what_is_in_force(site: Installation, admin: Browser) -> None:
    """At once; what is wrong is said beside what was typed, and each change is kept."""
    VENDOR.save()
    jobs = [FLOW.execute("charge", {"customer": "acme"}) for _ in range(3)]
    assert "Limit vendor/acme has running 2." in send(admin, "vendor/acme", "set", running="2")
    (usage,) = site.engine.limits.usage(["vendor/acme"])
    assert (usage.reserved, usage.waiting) == (2, 1)
    text = send(admin, "vendor/acme", "set", running="many", rate="5")
    assert "running must be a whole number, not &#39;many&#39;" in text
    assert 'name="rate" value="5"' in text
    assert "Give at least one number" in send(admin, "vendor/acme", "set")
    assert "lets everything in" in send(admin, "vendor/acme", "disable")
    assert jobs[2].explain()[0].kind != "limit"
    idle = re.sub(r"<[^>]*>", " ", admin.page(address("vendor/other")))
    assert re.search(r"running +1 +code", idle)
    assert "counts again" in send(admin, "vendor/acme", "enable")
    assert "has what the code says" in send(admin, "vendor/acme", "reset")
    text = admin.page("/audit")
    assert text.index("reset limit") < text.index("enable limit") < text.index("disable limit")


def test_an_operator_looks_on(site: Installation) -> None:
    VENDOR.save()
    with dashboard(site.engine, web.Role.OPERATOR) as operator:
        assert "Change it" not in operator.page(address("vendor"))
        assert operator.post("/limits/key/disable?key=vendor").status_code == 403
