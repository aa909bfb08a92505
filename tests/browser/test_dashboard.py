"""The dashboard as a person uses it, in a real browser, with a real worker."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import uvicorn
from axe_playwright_python.base import AXE_SCRIPT
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect
from starlette.applications import Starlette
from starlette.routing import Mount

from flowforge import Bulk, JobState, web
from flowforge.codec.binary import pack_record
from flowforge.engine.current import current_engine
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.browser.every_page import left_out
from tests.browser.flows import HOSTILE, SEEN, asking, failing, hostile, orders, shop
from tests.integration.installation import Installation
from tests.support.eventually import eventually

pytestmark = [pytest.mark.timeout(110), pytest.mark.usefixtures("no_settings")]

LIMIT = 25_000
expect.set_options(timeout=LIMIT)


def held(tmp_path: Path, rows: int = 4) -> tuple[JobState, Path, int]:
    """A job of which one handler waits for the path; and that handler's process."""
    gate = tmp_path / "gate"
    job = orders.execute("read", {"rows": rows, "path": str(gate)}, labels={"tenant": "acme"})
    report = Path(f"{gate}.held")
    eventually(lambda: report.exists() and report.read_text(), message="a running handler")
    return job, gate, int(report.read_text())


def asked_job() -> tuple[JobState, str]:
    """A job that expects an answer, and the path of the link to its form."""
    job = asking.execute("ask")
    (output,) = eventually(lambda: job.outputs)
    return job, output.params["url"].removeprefix("http://flows.example")


@contextmanager
def served(application: Starlette) -> Iterator[str]:
    """Its address, while it is served."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started, message="a server")
        _, port = server.servers[0].sockets[0].getsockname()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def open_job(page: Page, job: JobState) -> None:
    page.goto(f"/jobs/{job.job_id}")
    expect(page.locator("#live")).to_contain_text("live")


def test_a_job_is_seen_going_on_while_its_worker_is_killed(
    site: Installation, page: Page, tmp_path: Path, pictures: Path
) -> None:
    """The page changes by itself: running, lost, running in another process, completed."""
    job, gate, process = held(tmp_path)
    open_job(page, job)
    box = page.locator("a.box").nth(1)
    expect(box).to_contain_text("3 done · 1 running")
    expect(page.locator(".graph .carried")).to_have_text(["3/4", "3"])
    row = page.locator(".connections tbody tr").first.locator("td")
    expect(row).to_have_text(["4", "3", "1", "", "0"])
    expect(page.locator(".explain")).to_contain_text(f"process {process}")
    page.screenshot(path=pictures / "job-light.png")
    os.kill(process, signal.SIGKILL)
    expect(page.locator("#routine-1 td").nth(7)).to_have_text("1")
    gate.touch()
    expect(page.locator(".job-head .status").first).to_contain_text("completed")
    expect(page.locator('[data-live="data"]')).to_contain_text('"total": 6')
    expect(page.locator("a.box.s-completed")).to_have_count(3)


@pytest.mark.does("pause", "resume")
def test_an_action_is_asked_for_in_a_dialog(page: Page, tmp_path: Path) -> None:
    """By the button and by the key; Escape leaves everything as it was."""
    job, gate, _ = held(tmp_path)
    open_job(page, job)
    page.keyboard.press("p")
    expect(page.locator("dialog")).to_contain_text("No handler of the job starts")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    assert job.status == "running"
    page.get_by_role("link", name="Pause", exact=True).click()
    page.get_by_label("Reason").fill("look at it")
    page.locator("dialog").get_by_role("button", name="Pause").click()
    expect(page.locator(".said")).to_have_text(f"Job {job.job_id} is paused.")
    expect(page.locator(".explain")).to_contain_text("look at it")
    expect(page.locator("#live")).to_contain_text("live")
    page.keyboard.press("r")
    page.locator("dialog").get_by_role("button", name="Resume").click()
    gate.touch()
    expect(page.locator(".job-head .status").first).to_contain_text("completed")


def test_two_people_act_at_once(browser: Browser, page: Page, link: str, tmp_path: Path) -> None:
    """The second one is told what the first one did, and nothing is done twice."""
    job, gate, _ = held(tmp_path)
    open_job(page, job)
    page.get_by_role("link", name="Cancel").click()
    expect(page.locator("dialog")).to_contain_text("ends for good")
    other = browser.new_context(base_url=link.partition("/login")[0])
    second = other.new_page()
    second.goto(link)
    second.goto(f"/jobs/{job.job_id}/cancel")
    second.get_by_role("button", name="Cancel").click()
    expect(second.locator(".said")).to_contain_text("is cancelled")
    other.close()
    page.locator("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator(".message")).to_contain_text("is cancelled now: cancel does not fit")
    gate.touch()


@pytest.mark.does("edit", "skip")
def test_a_poison_row_is_mended(page: Page, pictures: Path) -> None:
    """From the failed job to its invocation, to the params, to the difference, to the job again."""
    job = failing.execute("charge", {"amount": 40}).wait(20)
    open_job(page, job)
    page.locator(".finding").get_by_role("link", name="Edit and retry").click()
    page.get_by_label("amount").fill("30")
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator("pre.old")).to_have_text("40")
    expect(page.locator("pre.new")).to_have_text("30")
    page.screenshot(path=pictures / "difference.png")
    page.get_by_label("Reason of the retry").fill("a typing error")
    page.get_by_role("button", name="Edit and retry", exact=True).click()
    expect(page.locator(".said")).to_contain_text("has new params, and the job was retried")
    expect(page.locator('[data-live="attempts"]')).to_contain_text("30 is more than the card")
    page.get_by_role("link", name="Skip").click()
    page.locator("dialog").get_by_role("button", name="Skip").click()
    expect(page.locator(".said")).to_contain_text("is skipped")


def test_the_place_of_the_reader_is_kept(page: Page, tmp_path: Path) -> None:
    """Focus and scroll outlast a change of the page."""
    job, gate, _ = held(tmp_path)
    open_job(page, job)
    box = page.locator("a.box").nth(1)
    box.focus()
    page.evaluate("window.scrollTo(0, 200)")
    top = page.evaluate("window.scrollY")
    gate.touch()
    expect(box).to_contain_text("4 done")
    expect(box).to_be_focused()
    assert page.evaluate("window.scrollY") == top
    page.keyboard.press("ArrowRight")
    expect(page.locator("a.box").nth(2)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(box).to_be_focused()


def test_earlier_entries_come_when_they_are_opened(page: Page) -> None:
    """They follow the job then, and stay open."""
    job = failing.execute("charge", {"amount": 40}).wait(20)
    for number in range(50):
        current_engine().each[0].note(job.job_id, pack_record("charge", "note", {"number": number}))
    open_job(page, job)
    earlier = page.locator('[data-live="earlier"]')
    expect(earlier.locator("tr[data-row]")).to_have_count(0)
    earlier.get_by_text("earlier ones").click()
    rows = earlier.locator("tr[data-row]")
    expect(rows.first).to_be_visible()
    count = rows.count()
    current_engine().each[0].note(job.job_id, pack_record("charge", "note", {"number": 50}))
    expect(rows).to_have_count(count + 1)
    expect(earlier.get_by_text(f"{count + 1} earlier ones")).to_be_visible()


def test_a_hidden_or_paused_page_asks_for_nothing(page: Page, tmp_path: Path) -> None:
    """The stream is closed, and the page stays as it is until it goes on."""
    job, gate, _ = held(tmp_path)
    open_job(page, job)
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator("#live")).to_contain_text("paused")
    gate.touch()
    assert job.wait(20).status == "completed"
    expect(page.locator(".job-head .status").first).to_contain_text("running")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".job-head .status").first).to_contain_text("completed")


def test_a_job_that_is_deleted_meanwhile(page: Page) -> None:
    """The page says that it is gone, and asks no more."""
    job = failing.execute("charge", {"amount": 40}).wait(20)
    open_job(page, job)
    job.delete()
    expect(page.locator("#live")).to_contain_text("not there any more")


def test_rows_are_walked_with_keys(page: Page) -> None:
    """Down, up, to the next failed one; then into the job; and the help lists the keys."""
    jobs = [failing.execute("charge", {"amount": 40}).wait(20) for _ in range(2)]
    page.goto("/jobs?flow=failing")
    expect(page.locator("tr[data-row]")).to_have_count(len(JobState.find(flow="failing")))
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("tr.at th")).to_contain_text(jobs[0].job_id)
    page.keyboard.press("[")
    expect(page.locator("tr.at th")).to_contain_text(jobs[1].job_id)
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_focused()
    page.keyboard.type("jjj")
    page.locator("body").press("Escape")
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("next failed row")
    page.keyboard.press("Escape")
    page.keyboard.press("e")
    expect(page).to_have_url(re.compile(f"/jobs/{jobs[1].job_id}$"))
    expect(page.locator(".explain")).to_contain_text("40 is more than the card allows")
    expect(page.locator(".explain")).to_contain_text('{"amount": 40}')


Scheme = Literal["light", "dark"]

#: The screens on which each page is seen.
SCREENS: tuple[tuple[Scheme, int], ...] = (("light", 1280), ("dark", 390))

#: axe on a page that has its script already: sent once, and not again with each page.
AXE = Axe("null")


#: The tables of a page that have to be scrolled sideways.
_WIDE_TABLES = """[...document.querySelectorAll(".scroll:not(.graph)")]
    .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.ariaLabel)"""


def look_at(page: Page, scheme: Scheme, width: int) -> None:
    """Take a screen of that kind; no script of the dashboard asks for its width or its colours."""
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})


@pytest.mark.parametrize("quarter", range(4))
def test_everyone_can_use_it(browser: Browser, link: str, pictures: Path, quarter: int) -> None:
    """axe finds nothing on every fourth page, and nothing is wider than the screen: a light one,
    and a dark one as small as a phone's.
    """
    job = failing.execute("charge", {"amount": {"eur": [40, 2], "tax": {"de": 19}}}).wait(20)
    asked, answer = asked_job()
    failing.schedule("yearly", "charge", {"amount": 1}, cron="0 0 1 1 *").save()
    job.break_at("charge", {"amount": ("exists", True)}, by="anna")
    later = failing.execute("charge", {"amount": 1}, delay=3600)
    bulk = Bulk.label([job], {"seen": "yes"})
    group = next(one for one in JobState.error_groups() if one.flow_id == "failing")
    number = DeadLetters(current_engine().each[0].store).bury("celery", "it is no message", b"{}")
    page = browser.new_page(base_url=link.partition("/login")[0])
    page.add_init_script(AXE_SCRIPT)
    page.goto(link)
    own, late = f"/jobs/{job.job_id}", f"/jobs/{later.job_id}"
    pages = {
        "overview": "/", "jobs": "/jobs", "failed": own, "retry": f"{own}/retry",
        "break": f"{own}/break", "step": f"{own}/step", "clear": f"{own}/break/clear",
        "children": f"/jobs?parent={job.job_id}",
        "invocations": f"{own}/invocations?routine=charge", "invocation": f"{own}/invocations/1",
        "edit": f"{own}/invocations/1/edit", "skip": f"{own}/invocations/1/skip",
        "errors": "/errors", "workers": "/workers", "limits": "/limits",
        "limit": "/limits/key?key=vendor",
        "flows": "/flows", "flow": "/flows/one?id=failing", "doctor": "/doctor", "bulk": "/bulk",
        "dead-letters": "/dead-letters", "pause": "/queues/pause?queue=celery",
        "audit": "/audit", "run": "/flows/run?id=failing",
        "bulk-question": f"/bulk/new/retry?job={job.job_id}", "every": "/bulk/new/cancel?which=all",
        "label": f"/bulk/new/label?job={job.job_id}",
        "rerun": f"{own}/rerun", "log": f"{own}/log",
        "answers": "/answers", "asking": f"/jobs/{asked.job_id}",
        "expected": f"/jobs/{asked.job_id}/invocations/2",
        "answer": f"/jobs/{asked.job_id}/answers/2", "answer-link": answer,
        "no-link": f"{answer}x",
        "schedules": "/schedules",
        "schedule": "/schedules/one?name=yearly", "hold": "/schedules/pause?name=yearly",
        "backfill": "/schedules/backfill?name=yearly&from=800d",
        "later": late, "reschedule": f"{late}/invocations/1/reschedule",
        "group": f"/errors/{group.id}",
        "run-now": f"{late}/invocations/1/run-now", "operation": f"/bulk/{bulk.bulk_id}",
        "dead-letter": f"/dead-letters/{later.job_id.partition('-')[0]}/{number}/requeue",
        "fork": f"{own}/invocations/1/fork", "day": "/?period=day", "nothing": "/jobs?flow=none",
    }  # fmt: skip
    assert left_out(pages.values()) == []
    for name, address in list(pages.items())[quarter::4]:
        look_at(page, "light", 1280)
        page.goto(address)
        for scheme, width in SCREENS:
            look_at(page, scheme, width)
            found = AXE.run(page)
            assert found.violations_count == 0, found.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address
            assert width > 640 or page.evaluate(_WIDE_TABLES) == [], address
            page.screenshot(path=pictures / f"{name}-{scheme}-{width}.png", full_page=True)
    page.close()
    asked.cancel()


def test_a_phone_shows_rows_as_cards(context: BrowserContext, page: Page) -> None:
    """Each cell has the name of its column, also in rows that come later; a table stays one."""
    first = failing.execute("charge", {"amount": 40}, labels={"on": "phone"}).wait(20)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto("/jobs?label=on%3Dphone")
    expect(page.locator("#live")).to_contain_text("live")
    second = failing.execute("charge", {"amount": 41}, labels={"on": "phone"}).wait(20)
    expect(page.locator("[data-row]")).to_have_count(2)
    for job in (first, second):
        cell = page.locator(f'[data-key="{job.job_id}"] td').nth(2)
        expect(cell).to_have_text("failing")
        name = cell.evaluate("one => getComputedStyle(one, '::before').content")
        assert name.startswith('"Flow"')
    tree = context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    roles = [node["role"]["value"] for node in tree["nodes"] if not node["ignored"]]
    assert [roles.count(role) for role in ("table", "row", "rowheader")] == [1, 3, 2]
    assert roles.count("cell") + roles.count("gridcell") == 2 * 7


def test_a_time_on_another_day_has_its_date(page: Page) -> None:
    """Also one that is to come."""
    later = failing.execute("charge", {"amount": 1}, delay=40 * 86400)
    page.goto(f"/jobs/{later.job_id}")
    starts = page.locator("dt", has_text="Starts").locator("+ dd time")
    expect(starts).to_have_text(re.compile(r"\b20\d\d\b"))
    later.cancel()


def test_below_a_path_of_another_application(
    site: Installation, browser: Browser, tmp_path: Path
) -> None:
    """The page is live, and its dialog acts."""
    dashboard = web.app(
        site.engine, authentication=web.Token("a-token-for-the-tests", web.Role.ADMIN)
    )
    job, gate, _ = held(tmp_path)
    with served(Starlette(routes=[Mount("/team/flows", dashboard)])) as address:
        page = browser.new_page(base_url=f"{address}/team/flows/")
        page.goto("login?token=a-token-for-the-tests")
        page.goto(f"jobs/{job.job_id}")
        expect(page.locator("#live")).to_contain_text("live")
        page.keyboard.press("p")
        page.locator("dialog").get_by_role("button", name="Pause").click()
        expect(page.locator(".said")).to_contain_text("is paused")
        assert page.url == f"{address}/team/flows/jobs/{job.job_id}"
        job.resume()
        gate.touch()
        expect(page.locator(".job-head .status").first).to_contain_text("completed")
        page.close()


def test_hostile_names_are_seen_as_they_are(page: Page, pictures: Path) -> None:
    """No script runs, nothing leaves its box, and nothing is wider than a phone."""
    job = hostile.execute(HOSTILE, {"amount": HOSTILE}, labels={"tenant": HOSTILE}).wait(20)
    job.break_at(HOSTILE, by=HOSTILE)
    job.retry()
    eventually(lambda: job.counts["stopped"] == 1, LIMIT / 1000)
    page.set_viewport_size({"width": 390, "height": 800})
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    own = f"/jobs/{job.job_id}"
    for address in (
        "/", "/jobs", own, f"{own}/invocations", f"{own}/invocations/1", f"{own}/retry",
        f"{own}/break", f"{own}/step", "/flows", "/errors",
    ):  # fmt: skip
        page.goto(address)
        expect(page.get_by_text("<script>alert(1)</script>").first).to_be_attached()
        assert page.locator("b").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, address
    page.screenshot(path=pictures / "hostile-390.png", full_page=True)
    job.cancel()


def test_a_job_at_work_has_its_picture_taken(page: Page, pictures: Path) -> None:
    """Light, dark and on a phone; `make pictures` puts the first one into the README."""
    job = shop.execute("fetch", {"orders": 600})
    open_job(page, job)
    expect(page.locator("a.box.s-running")).not_to_have_count(0)
    expect(page.locator("a.box").nth(3)).to_contain_text("retried")
    for name, scheme, width, height in (
        ("light", "light", 1280, 900), ("dark", "dark", 1280, 900), ("phone", "light", 390, 800),
    ):  # fmt: skip
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=pictures / f"job-at-work-{name}.png")
    job.cancel()


def test_everything_can_be_read_without_a_script(
    browser: Browser, link: str, tmp_path: Path
) -> None:
    """And done: each action has a page of its own."""
    job, gate, _ = held(tmp_path)
    context = browser.new_context(java_script_enabled=False, base_url=link.partition("/login")[0])
    page = context.new_page()
    page.goto(link)
    page.goto(f"/jobs/{job.job_id}")
    expect(page.locator("a.box").nth(1)).to_contain_text("3 done · 1 running")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_label("Reason").fill("enough")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".said")).to_contain_text("is cancelled")
    assert job.reason == "enough"
    context.close()
    gate.touch()


@pytest.mark.parametrize("script", [True, False], ids=["script", "none"])
def test_a_person_answers_by_a_link(browser: Browser, link: str, script: bool) -> None:
    """Without a login, and without a script too; names are shown as they are."""
    job, address = asked_job()
    context = browser.new_context(
        java_script_enabled=script, base_url=link.partition("/login")[0],
        viewport={"width": 320, "height": 600},
    )  # fmt: skip
    page = context.new_page()
    page.goto(address)
    expect(page.locator("h1")).to_have_text(f"Invoice 7 {SEEN}")
    expect(page.locator("main")).to_contain_text(f"250 EUR to {SEEN}")
    assert job.counts["expected"] == 1
    page.get_by_role("button", name="Answer").click()
    expect(page.locator(".error")).to_have_text("It needs a value.")
    page.get_by_label("approved").select_option("true")
    page.get_by_label("note").fill(HOSTILE)
    page.get_by_role("button", name="Answer").click()
    expect(page.locator("main")).to_contain_text("Your answer was delivered.")
    assert job.wait(20).outputs[-1].params == {"approved": True, "note": HOSTILE}
    page.goto(address)
    expect(page.locator("main")).to_contain_text("the link has answered")
    context.close()


def test_zoomed_to_four_times_the_size(context: BrowserContext, page: Page, tmp_path: Path) -> None:
    """A page of 1280 at 400 % is one of 320: all of it can be reached by scrolling down alone."""
    job, gate, _ = held(tmp_path)
    page.set_viewport_size({"width": 320, "height": 256})
    own = f"job={job.job_id}"
    for address in (
        "/", "/jobs", f"/jobs/{job.job_id}", "/audit", "/flows/run?id=orders",
        f"/bulk/new/cancel?{own}", f"/bulk/new/label?{own}", "/answers",
    ):  # fmt: skip
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, address
    gate.touch()
