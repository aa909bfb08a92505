"""The dashboard's pages and actions, who may use them, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry import trace
from starlette.applications import Starlette
from starlette.routing import Mount

from flowforge import Bulk, ErrorHandler, Flow, JobState, Limit, Routine, routine, web
from flowforge.codec.binary import pack_record
from flowforge.engine.finding import find
from flowforge.local.server import LocalServer
from flowforge.model.jobs.error_group import group_id
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.web.security import attempts, passwords
from flowforge.web.security.forms import MOST_FIELDS
from flowforge.web.security.guard import MOST_BYTES
from tests.integration.installation import Installation, installed
from tests.integration.web_client import TOKEN, Browser, dashboard, expect_answer, fail_job
from tests.integration.web_jobs import text_of
from tests.integration.web_pages import addresses as addresses_of
from tests.support.spans import recorded

pytestmark = pytest.mark.usefixtures("no_settings")

#: A name of a flow must not have control characters; a reason may.
HOSTILE = "<script>alert(1)</script>\u202egnp.exe\U0001f600"


@routine
def charge(amount: int, card: str = "") -> None:
    """Fail."""
    raise ValueError(f"{amount} is more than the card allows")


@routine(events=["step"])
def count(self: Routine, n: int) -> None:
    """Nothing is done: no worker is there."""


countdown = Flow("countdown")
countdown.add_routine(count, "count")
countdown.connect("count", "step", "count", "input")


#: The labels of the one job that expects an answer from the start.
EXPECTS = {"expects": "yes"}

#: The number under which that is handled.
EXPECTED = 2

#: The group of the one error that there is from the start.
GROUP = group_id("countdown", "r0", "shop.CardError", "shop.charge")


#: What pages of these paths are asked with.
QUERIES = {
    "/schedules/": "?name=yearly", "/queues/": "?queue=celery", "/limits/": "?key=vendor",
}  # fmt: skip


def hostile() -> Flow:
    flow = Flow(HOSTILE)
    flow.add_routine(charge, HOSTILE)
    flow.set_error_handler(ErrorHandler("retry", retry_delay=600))
    return flow


@pytest.fixture(scope="module")
def site(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Shared by the module: jobs without a worker, so that they stay."""
    with installed(server, tmp_path_factory.mktemp("web")) as installation:
        assert fail_job(installation.engine, countdown.execute("count", {"n": 3})) == GROUP
        assert DeadLetters(installation.engine.store).bury("celery", "no good", b"{}") == 1
        Bulk.label([countdown.execute("count", {"n": 3})], {"bulk": "yes"})
        job = countdown.execute("count", {"n": 3}, labels=EXPECTS)
        assert expect_answer(installation.engine, job) == EXPECTED
        Limit("vendor", running=1).save()
        countdown.schedule("yearly", "count", {"n": 3}, cron="0 0 1 1 *").save()
        yield installation


def addresses(job_id: str, method: str, most: web.Role = web.Role.ADMIN) -> list[str]:
    """The address of every page that takes this method, for a role at most."""
    (expects,) = JobState.find(labels=EXPECTS)
    more = {
        "{job_id}/answers/{number}": f"{expects.job_id}/answers/{EXPECTED}", "{group}": GROUP,
    }  # fmt: skip
    return addresses_of(JobState(job_id), more, QUERIES, method, most)


# --- pages -----------------------------------------------------------------------------------


def test_every_page_is_there(site: Installation, admin: Browser) -> None:
    """Whole, with its title, and small."""
    job = countdown.execute("count", {"n": 3}, labels={"tenant": "acme"})
    for address in addresses(job.job_id, "GET"):
        text = admin.page(address)
        assert re.search(r"<title>[^<]+ · FlowForge</title>", text), address
        assert text.rstrip().endswith("</html>"), address
        assert len(text) < 200_000, address


def test_a_job_shows_what_is_known_of_it(admin: Browser) -> None:
    job = countdown.execute("count", {"n": 3}, labels={"tenant": "acme"})
    text = admin.page(f"/jobs/{job.job_id}")
    for part in (job.job_id, "pending", "tenant=acme", "&#34;n&#34;: 3", "no worker", "<svg"):
        assert part in text, part


def test_what_was_given_back_is_no_attempt(site: Installation, admin: Browser) -> None:
    """Its handler was not called: the job was paused between the claim and the handler, say."""
    job = countdown.execute("count", {"n": 3})
    invocations = site.engine.store.invocations
    invocations.claim(job.job_id, "1.0.0", "t", 60_000)
    assert "<title>count: running, 0 done, 1 attempts" in admin.page(f"/jobs/{job.job_id}")
    details = pack_record("w1", 1, 0, {}, None, None)
    assert invocations.release(job.job_id, "1.0.0", "t", 0, details) == "ok"
    page = admin.page(f"/jobs/{job.job_id}")
    assert "<title>count: pending, 0 done, 0 attempts" in page
    assert re.search(r"\bcount \S+ pending 0 0 0\b", text_of(page)), text_of(page)


def test_a_failure_without_a_routine_is_shown(site: Installation, admin: Browser) -> None:
    """As that of a job whose routine no worker knows."""
    job = countdown.execute("count", {"n": 3})
    fail_job(site.engine, job)
    assert "<bdi>shop.CardError: no money</bdi>" in admin.page(f"/jobs/{job.job_id}")


def test_a_traced_job_names_its_trace(admin: Browser) -> None:
    """The one that it was submitted in; a job without one has no such line."""
    with recorded(), trace.get_tracer("web").start_as_current_span("POST /orders"):
        job = countdown.execute("count", {"n": 3})
    assert job.trace_id
    line = f"<dt>Trace</dt><dd><code>{job.trace_id}</code></dd>"
    assert line in admin.page(f"/jobs/{job.job_id}")
    other = countdown.execute("count", {"n": 3})
    assert "<dt>Trace</dt>" not in admin.page(f"/jobs/{other.job_id}")


def test_jobs_are_found(admin: Browser) -> None:
    """By each field of the search; the address has the search."""
    job = countdown.execute("count", {"n": 3}, labels={"tenant": "globex", "tier": "gold"})
    other = countdown.execute("count", {"n": 3}, labels={"tenant": "acme"})
    for search in (
        "label=tenant%3Dglobex+tier%3Dgold", f"text={job.job_id}", "label=tenant=globex&since=1h"
    ):  # fmt: skip
        text = admin.page(f"/jobs?{search}")
        assert job.job_id in text, search
        assert other.job_id not in text, search
    page = text_of(admin.page("/jobs?flow=countdwn"))
    assert "There are no such jobs: no flow &#39;countdwn&#39; has jobs" in page
    assert "did you mean &#39;countdown&#39;?" in page
    page = text_of(admin.page("/jobs?flow=countdown&text=none+has+this"))
    assert "There are no such jobs." in page
    assert "This cannot be done" in admin.page("/jobs?status=lost", 409)
    for address in ("/jobs", "/errors"):
        assert "since is one of 1h, 24h, 7d" in admin.page(f"{address}?since=2hours", 409)
    assert "No closing quotation" in admin.page("/jobs?label=a%3D'b", 409)


def test_a_label_leads_to_the_jobs_that_have_it(admin: Browser) -> None:
    """Whatever its value is."""
    job = countdown.execute("count", {"n": 3}, labels={"customer": "Åcme & 'Sons' Ltd"})
    found = re.search(r'class="label" href="([^"]+)"', admin.page(f"/jobs/{job.job_id}"))
    assert found is not None
    assert job.job_id in admin.page(found[1].replace("&amp;", "&"))


def test_a_page_leads_to_the_next_one(admin: Browser) -> None:
    """Through all jobs, each once."""
    labels = {"many": "yes"}
    made = {job.job_id for job in countdown.execute_many("count", [{"n": 1}] * 120, labels=labels)}
    seen: list[str] = []
    for text in admin.pages("/jobs?label=many=yes"):
        seen += re.findall(r'<th scope="row"><a href="/jobs/([^"]+)"', text)
    assert len(seen) == 120
    assert set(seen) == made


def test_a_long_search_goes_on_from_page_to_page(
    admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that has passed over many jobs says how far it has come, and offers to go on."""
    monkeypatch.setattr(find, "PASSED_OVER", 500)
    job = countdown.execute("count", {"n": 3}, idempotency_key="needle")
    countdown.execute_many("count", [{"n": 1}] * 1200)
    text = admin.page("/jobs?text=needle")
    assert "No such job among those created since" in text
    assert job.job_id not in text
    following = re.search(r'rel="next" class="button" href="([^"]+)">Go on looking', text)
    assert following is not None
    text = admin.page(following[1].replace("&amp;", "&"))
    assert "among those created between" in text or "Go on looking" not in text
    assert job.job_id in text


def test_what_is_not_there_is_said(admin: Browser) -> None:
    assert "There is no such job" in admin.page("/jobs/none", 404)
    assert admin.get("/none").status_code == 404


def test_names_are_text_and_nothing_else(admin: Browser) -> None:
    """In ids, labels, reasons and params."""
    job = hostile().execute(HOSTILE, {"amount": 1, "card": HOSTILE}, labels={"a": HOSTILE})
    job.pause(f"{HOSTILE}\x1b[31m")
    own = f"/jobs/{job.job_id}"
    parts = ("", "/resume", "/rerun", "/log", "/invocations", "/invocations/1")
    for address in ("/", "/jobs", *(own + part for part in parts)):
        text = admin.page(address)
        assert "&lt;script&gt;alert(1)" in text, address
        assert "<script>alert" not in text, address


# --- actions ---------------------------------------------------------------------------------


def test_each_action_asks_and_does(admin: Browser) -> None:
    """And the history says who did it and why."""
    job = countdown.execute("count", {"n": 3})
    address = f"/jobs/{job.job_id}"
    assert "No handler of the job starts" in admin.page(f"{address}/pause")
    assert job.status == "pending"
    text = admin.act(f"{address}/pause", reason="look at it")
    assert f"Job {job.job_id} is paused." in text
    assert "look at it" in text
    assert job.status == "paused"
    assert job.pause_points[-1]["reason"] == "look at it"
    assert "goes on" in admin.act(f"{address}/resume")
    assert job.status == "pending"
    assert "is cancelled" in admin.act(f"{address}/cancel", reason="enough")
    assert job.status == "cancelled"
    assert "is deleted" in admin.act(f"{address}/delete")
    assert "There is no such job" in admin.page(address, 404)


def test_an_action_that_does_not_fit_any_more(admin: Browser) -> None:
    """Somebody else was faster: nothing is done, and that is said."""
    job = countdown.execute("count", {"n": 3})
    address = f"/jobs/{job.job_id}/pause"
    token = admin.form_token(address)
    job.cancel("by another")
    reply = admin.post(address, data={"token": token})
    assert reply.status_code == 409
    assert "is cancelled now: pause does not fit any more" in reply.text
    assert "this does not fit any more" in admin.page(address)


# --- who may do what -------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(web.Role))
def test_a_role_gets_its_pages_and_no_others(site: Installation, role: web.Role) -> None:
    """Every route is asked for as every role."""
    job = countdown.execute("count", {"n": 3})
    with dashboard(site.engine, role) as client:
        allowed = set(addresses(job.job_id, "GET", role))
        for address in addresses(job.job_id, "GET"):
            assert client.get(address).status_code == (200 if address in allowed else 403), address
        may = set(addresses(job.job_id, "POST", role))
        for address in addresses(job.job_id, "POST"):
            reply = client.post(address, data={"token": "wrong"})
            assert reply.status_code == 403, address
            assert ("The form is too old" in reply.text) == (address in may), address
    assert job.status == "pending"


def test_nobody_changes_anything_when_it_is_read_only(site: Installation) -> None:
    job = countdown.execute("count", {"n": 3})
    with dashboard(site.engine, read_only=True) as client:
        text = client.page(f"/jobs/{job.job_id}")
        assert f"{job.job_id}/pause" not in text
        for address in addresses(job.job_id, "POST"):
            reply = client.post(address, data={"token": "any"})
            assert reply.status_code == 403
            assert "read-only" in reply.text


def test_a_stranger_sees_nothing(site: Installation) -> None:
    """Only the login; a wrong token is none."""
    job = countdown.execute("count", {"n": 3})
    with Browser(web.app(site.engine, authentication=web.Token(TOKEN))) as client:
        for address in (*addresses(job.job_id, "GET"), f"/live?page=/jobs/{job.job_id}"):
            reply = client.get(address, follow_redirects=False)
            assert reply.status_code in (303, 401), address
            assert job.job_id not in reply.text
        for address in addresses(job.job_id, "POST"):
            assert client.post(address).status_code == 401
        assert client.get("/login?token=wrong").status_code == 403
        assert "not the token" in client.post("/login", data={"secret": "wrong"}).text
        client.cookies.set("flowforge_session", "WyJ0b2tlbiIsM10.aaaaaa.bbbbbb")
        assert client.get("/", follow_redirects=False).status_code == 303
    assert job.status == "pending"


def test_users_log_in_with_names_and_passwords(site: Installation, tmp_path: Path) -> None:
    """And are out when they leave, or the file loses them."""
    path = tmp_path / "users"
    passwords.add(path, "kim", "operator", "secret words")
    job = countdown.execute("count", {"n": 3})
    with Browser(web.app(site.engine, authentication=web.PasswordFile(path))) as client:
        target = f"/jobs/{job.job_id}"
        assert "Password" in client.page(target)
        fields = {"name": "kim", "secret": "secret words", "next": target}
        assert job.job_id in client.post("/login", data=fields).text
        client.act(f"{target}/pause")
        assert client.get(f"{target}/delete").status_code == 403
        client.post("/logout")
        assert "Password" in client.page(target)
        client.post("/login", data=fields)
        path.write_text("# none\n")
        assert "Password" in client.page(target)
        assert "Name or password is wrong" in client.post("/login", data=fields).text


@pytest.mark.attack(what="Passwords are guessed")
def test_a_name_whose_password_is_guessed_has_to_wait(
    site: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 20 wrong passwords from an address in a minute; other names log in."""
    monkeypatch.setattr(attempts, "MOST", 3)
    path = tmp_path / "users"
    for name in ("kim", "ana"):
        passwords.add(path, name, "operator", "secret words")
    with Browser(web.app(site.engine, authentication=web.PasswordFile(path))) as client:
        for secret in ("a", "b", "c"):
            reply = client.post("/login", data={"name": "kim", "secret": secret})
            assert reply.status_code == 403
        reply = client.post("/login", data={"name": "kim", "secret": "secret words"})
        assert reply.status_code == 429
        assert "Too many wrong passwords" in reply.text
        reply = client.post("/login", data={"name": "ana", "secret": "secret words"})
        assert reply.status_code == 200


def test_a_search_outlasts_the_login(site: Installation) -> None:
    """A bookmark leads to its own search, once the user has logged in."""
    with Browser(web.app(site.engine, authentication=web.Token(TOKEN))) as client:
        form = client.page("/jobs?label=tenant%3Dacme&since=1h")
        found = re.search(r'name="next" value="([^"]+)"', form)
        assert found is not None
        fields = {"secret": TOKEN, "next": found[1].replace("&amp;", "&")}
        assert 'name="label" value="tenant=acme"' in client.post("/login", data=fields).text


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_login_never_leads_away(site: Installation, target: str) -> None:
    with Browser(web.app(site.engine, authentication=web.Token(TOKEN))) as client:
        reply = client.post(
            "/login", data={"secret": TOKEN, "next": target}, follow_redirects=False
        )
        assert reply.headers["location"] == "/"


def test_a_proxy_says_who_it_is(site: Installation) -> None:
    """With a role or without; nobody without the header."""
    behind = web.TrustedHeaders("x-user", "x-role")
    with Browser(web.app(site.engine, authentication=behind)) as client:
        assert client.get("/").status_code == 401
        kim = client.get("/", headers={"x-user": "kim"})
        assert "role: viewer" in kim.text
        assert "role: admin" in client.get("/", headers={"x-user": "kim", "x-role": "admin"}).text
        assert client.get("/", headers={"x-user": "kim", "x-role": "boss"}).status_code == 401


# --- what a request has to show --------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://localhost:8000"},
    ],
)
def test_a_form_of_another_site_is_refused(admin: Browser, headers: dict[str, str]) -> None:
    job = countdown.execute("count", {"n": 3})
    address = f"/jobs/{job.job_id}/cancel"
    token = admin.form_token(address)
    reply = admin.post(address, data={"token": token}, headers=headers)
    assert reply.status_code == 403
    assert job.status == "pending"


def test_a_form_of_no_known_origin_is_refused(site: Installation) -> None:
    with dashboard(site.engine) as client:
        job = countdown.execute("count", {"n": 3})
        token = client.form_token(f"/jobs/{job.job_id}/cancel")
        del client.headers["origin"], client.headers["sec-fetch-site"]
        assert client.post(f"/jobs/{job.job_id}/cancel", data={"token": token}).status_code == 403
        assert job.status == "pending"


@pytest.mark.parametrize("length", ["4194305", "9" * 30, "-1", ""])
def test_a_form_without_bounds_is_not_read(site: Installation, length: str) -> None:
    """Before it is known who sends it: a viewer must not fill the memory of the dashboard."""
    with dashboard(site.engine) as client:
        reply = client.post("/jobs/x/cancel", content=b"", headers={"content-length": length})
        assert reply.status_code == 413


@pytest.mark.parametrize("below", ["", "/tools"])
def test_a_form_that_is_larger_than_it_says(site: Installation, below: str) -> None:
    """What is read counts, wherever the dashboard is mounted."""
    inner = web.app(site.engine, authentication=web.Token(TOKEN))
    with Browser(Starlette(routes=[Mount(below, inner)])) as client:
        reply = client.post(
            f"{below}/login", content=b"secret=" + b"x" * MOST_BYTES,
            headers={
                "content-length": "10", "content-type": "application/x-www-form-urlencoded"
            },
        )  # fmt: skip
    assert reply.status_code == 413
    assert "a form may have 4194304 bytes" in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_what_to_do_about_a_form_that_is_too_large(admin: Browser) -> None:
    """A field may have as much as the whole form; the refusals say where more can be given."""
    job = countdown.execute("count", {"n": 3})
    address = f"/jobs/{job.job_id}/rerun"
    # 800,000 bytes as a param, and three times as many in the form.
    text = '"' + "é" * 400_000 + '"'
    assert "Submit this job?" in admin.act(address, values={"value.0": text})
    reply = admin.post(address, data={f"x{number}": "1" for number in range(MOST_FIELDS + 1)})
    assert reply.status_code == 400
    for text in (admin.post(address, data={"x": "y" * MOST_BYTES}).text, reply.text):
        assert "on the command line: flowforge run, edit" in text
    assert "A form may have 2000 fields" in reply.text


def test_the_token_of_another_user_is_refused(site: Installation) -> None:
    """Even where both have the same secret."""
    job = countdown.execute("count", {"n": 3})
    address = f"/jobs/{job.job_id}/cancel"
    with (
        dashboard(site.engine, web.Role.OPERATOR, secret="s" * 32) as one,
        dashboard(site.engine, web.Role.ADMIN, secret="s" * 32) as other,
    ):
        assert other.post(address, data={"token": one.form_token(address)}).status_code == 403
    assert job.status == "pending"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80"])
def test_another_name_is_refused(admin: Browser, host: str) -> None:
    """A page of another site cannot let its own name lead here."""
    assert admin.get("/", headers={"host": host}).status_code == 400


def test_names_that_lead_here(site: Installation) -> None:
    application = web.app(
        site.engine, authentication=web.Token(TOKEN), hosts=[*web.LOOPBACK, "Flows.example"]
    )
    with Browser(application, "http://flows.example:8470") as client:
        assert client.get(f"/login?token={TOKEN}").status_code == 200
        for host in ("localhost", "127.0.0.1:8470", "[::1]:8470"):
            assert client.get("/login", headers={"host": host}).status_code == 200


def test_a_reply_lets_the_browser_run_nothing_else(admin: Browser) -> None:
    """No script or style of the page's own text, no frame around it, nothing kept."""
    reply = admin.get("/")
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"\son\w+=|\sstyle=|<style|javascript:", reply.text)


def test_a_session_is_not_for_scripts(site: Installation) -> None:
    with Browser(
        web.app(site.engine, authentication=web.Token(TOKEN)), "https://localhost"
    ) as client:
        reply = client.get(f"/login?token={TOKEN}", follow_redirects=False)
        cookie = reply.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert "secure" in cookie


# --- mounted, live ---------------------------------------------------------------------------


def test_it_can_be_mounted_below_any_path(site: Installation) -> None:
    """Every link, form and redirect stays below it."""
    job = countdown.execute("count", {"n": 3})
    inner = web.app(site.engine, authentication=web.Token(TOKEN))
    with Browser(Starlette(routes=[Mount("/tools/flows", inner)])) as client:
        text = client.page(f"/tools/flows/login?token={TOKEN}")
        for address in (f"/tools/flows/jobs/{job.job_id}", "/tools/flows/jobs"):
            text += client.page(address)
        links = re.findall(r'\s(?:href|src|action)="([^"#]+)"', text)
        assert links
        assert [link for link in links if not link.startswith("/tools/flows/")] == []
        for link in {one for one in links if "/static/" in one}:
            assert client.get(link).status_code == 200, link
        client.act(f"/tools/flows/jobs/{job.job_id}/pause")
    assert job.status == "paused"


def test_an_unknown_page_has_no_changes(admin: Browser) -> None:
    assert admin.get("/live?page=/none").status_code == 404
