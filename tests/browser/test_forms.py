"""Forms, selections and saved views of the dashboard, as a person uses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import flowforge.web
from flowforge import Bulk, JobState
from tests.browser.flows import failing
from tests.integration.installation import Installation
from tests.support.eventually import eventually

pytestmark = [pytest.mark.timeout(110), pytest.mark.usefixtures("no_settings")]

LIMIT = 25_000
expect.set_options(timeout=LIMIT)


def failed(number: int, tenant: str) -> list[JobState]:
    rows = [{"amount": n} for n in range(number)]
    jobs = failing.execute_many("charge", rows, labels={"tenant": tenant})
    return [job.wait(20) for job in jobs]


def test_the_script_is_small() -> None:
    """Below 15 kB."""
    script = Path(flowforge.web.__file__).with_name("static") / "dashboard.js"
    assert script.stat().st_size < 15_000


@pytest.mark.does("run")
def test_a_flow_is_run_from_its_page(site: Installation, page: Page) -> None:
    """Wrong at first: the error stands beside the field, which keeps what was typed."""
    failed(1, "form")
    page.goto("/flows/one?id=failing")
    page.get_by_role("link", name="Run", exact=True).click()
    # Until the worker has told of its handlers, the params are one JSON object.
    eventually(lambda: page.reload() and page.get_by_label("amount").count() == 1)
    page.get_by_label("amount").fill("many")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".error")).to_have_text("It must be a whole number.")
    expect(page.get_by_label("amount")).to_have_value("many")
    expect(page.get_by_label("amount")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("amount").fill("40")
    page.get_by_text("Labels, idempotency key, priority").click()
    page.get_by_label("Labels").fill("tenant=formed")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".said")).to_contain_text("has begun")
    expect(page.locator(".explain")).to_contain_text("40 is more than the card allows")
    (job,) = JobState.find(labels={"tenant": "formed"})
    assert job.params == {"amount": 40}


def test_a_double_click_sends_a_form_once(page: Page) -> None:
    """Whatever the form is; one that was gone back to can be sent again."""
    (job,) = failed(1, "twice")
    page.goto(f"/jobs/{job.job_id}/rerun")
    form = page.locator('form[method="post"]').last
    send = "one => one.dispatchEvent(new Event('submit', { bubbles: true, cancelable: true }))"
    assert [form.evaluate(send) for _ in range(2)] == [True, False]
    page.evaluate("dispatchEvent(new Event('pageshow'))")
    assert form.evaluate(send)


@pytest.mark.does("retry many")
def test_rows_are_selected_with_keys(page: Page) -> None:
    """The selection outlasts the changes of the page, and keys go on working in it."""
    jobs = failed(4, "keys")
    page.goto("/jobs?label=tenant%3Dkeys")
    expect(page.locator("#live")).to_contain_text("live")
    for key in ("j", "x", "j", "j", "x"):
        page.keyboard.press(key)
    expect(page.locator("input:checked")).to_have_count(2)
    failed(3, "keys")
    expect(page.locator("[data-row]")).to_have_count(4)
    chosen = page.locator("input:checked").evaluate_all("all => all.map((one) => one.value)")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cancel 0 jobs?")
    # The list is another one by now: what was selected must not come back at other rows.
    page.go_back()
    expect(page.locator("[data-row]")).to_have_count(7)
    expect(page.locator("input:checked")).to_have_count(0)
    for job_id in chosen:
        page.get_by_label(f"Select job {job_id}").check()
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Retry 2 jobs?")
    page.get_by_label("Reason").fill("the bank is back")
    page.get_by_role("button", name="Retry").click()
    expect(page.locator(".said")).to_contain_text("has begun")
    (info,) = Bulk.recent(1)
    assert (info.action, info.progress.matched) == ("retry", 2)
    assert set(chosen) <= {job.job_id for job in jobs}
    expect(page.locator('[data-live="operation"]')).to_contain_text("2 of 2 jobs")


def test_many_jobs_without_a_script(browser: Browser, link: str) -> None:
    """All that match the search, as far as the operation's page."""
    failed(3, "plain")
    context = browser.new_context(java_script_enabled=False, base_url=link.partition("/login")[0])
    page = context.new_page()
    page.goto(link)
    page.goto("/jobs?label=tenant%3Dplain")
    page.get_by_label("With").select_option("all")
    page.get_by_role("button", name="Label").click()
    page.get_by_label("Set").fill("seen=yes")
    page.get_by_label("Reason").fill("order")
    page.get_by_role("button", name="Label").click()
    expect(page.locator(".said")).to_contain_text("has begun")
    eventually(lambda: len(JobState.find(labels={"seen": "yes"})) == 3)
    context.close()


def test_a_view_is_saved(page: Page) -> None:
    """Under a name, for its page, until it is forgotten."""
    page.goto("/jobs")
    expect(page.locator(".views")).to_be_hidden()
    page.goto("/jobs?flow=failing&status=failed&label=")
    page.get_by_role("button", name="Save this view").click()
    page.get_by_label("Name of the view").fill("<b>failed</b> orders")
    page.get_by_role("button", name="Save", exact=True).click()
    page.goto("/audit")
    expect(page.locator(".views")).to_be_hidden()
    page.goto("/jobs")
    page.get_by_role("link", name="<b>failed</b> orders").click()
    expect(page).to_have_url("/jobs?flow=failing&status=failed")
    page.get_by_label("Forget view").click()
    expect(page.locator(".views a")).to_have_count(0)


@pytest.mark.parametrize("kept", ["{}", "5", "[null, 5, {}]", "["])
def test_damaged_views_break_no_page(page: Page, kept: str) -> None:
    """Whatever else the site keeps under their name: the page is live, and views can be saved."""
    page.goto("/jobs?flow=failing")
    page.evaluate(
        "kept => localStorage.setItem(`flowforge:${document.body.dataset.root}`, kept)", kept
    )
    page.reload()
    expect(page.locator("#live")).to_contain_text("live")
    expect(page.get_by_role("button", name="Save this view")).to_be_visible()


def test_keys_are_about_jobs_alone(page: Page) -> None:
    """In a list of something else they do nothing."""
    failed(1, "rows")
    page.goto("/flows")
    page.keyboard.press("j")
    expect(page.locator("[data-row].at")).to_have_count(1)
    page.keyboard.press("p")
    page.keyboard.press("e")
    expect(page).to_have_url("/flows")
    expect(page.locator("dialog")).to_have_count(0)
