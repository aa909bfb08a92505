"""The pictures of the page, from the dashboard of its ``flowforge dev`` in a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.tutorial.newcomer import Newcomer

#: Pixels of a picture.
SIZE = {"width": 1280, "height": 800}

#: Milliseconds until what a picture shows must be there: a lost worker is noticed in that time.
_LIMIT = 25_000


class Photographer:
    """Looks at the job of the page's latest command."""

    def __init__(self, page: Page, newcomer: Newcomer) -> None:
        self._page = page
        self._newcomer = newcomer

    def take(self, file: Path) -> None:
        """Write the picture of this name."""
        address = self._newcomer.terminal.shows(r"dashboard  (http://\S+)")[1]
        self._page.goto(address)
        root = address.partition("/login")[0]
        PICTURES[file.stem](self._page, f"{root}/jobs/{self._newcomer.job}")
        self._page.screenshot(path=file)


def _open(page: Page, job: str) -> None:
    page.goto(job)
    expect(page.locator("#live")).to_contain_text("live")


def _completed(page: Page, job: str) -> None:
    _open(page, job)
    expect(page.locator("a.box.s-completed")).to_have_count(3)


def _failed(page: Page, job: str) -> None:
    _open(page, job)
    expect(page.locator(".explain")).to_contain_text("is not in the price list")


def _difference(page: Page, job: str) -> None:
    _open(page, job)
    page.get_by_role("link", name="Edit and retry").click()
    page.get_by_label("article").fill("pear")
    page.get_by_role("button", name="Show the difference").click()
    expect(page.locator("pre.new").first).to_have_text('"pear"')


def _lost(page: Page, job: str) -> None:
    _open(page, job)
    expect(page.locator("#routine-1 td").nth(7)).to_have_text("1")


#: What each picture shows: it opens the page, given the address of the job, and returns when it is
#: as it has to be.
PICTURES: Mapping[str, Callable[[Page, str], None]] = {
    "shop-completed": _completed,
    "shop-failed": _failed,
    "shop-difference": _difference,
    "shop-lost": _lost,
}


@contextmanager
def photographer(program: str, newcomer: Newcomer) -> Iterator[Photographer]:
    """With the browser of this path."""
    expect.set_options(timeout=_LIMIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield Photographer(browser.new_page(viewport=SIZE), newcomer)  # type: ignore[arg-type]
        finally:
            browser.close()
