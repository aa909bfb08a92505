"""One reader for all open pages, whoever shows them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from flowforge.engine.fleet.look_pace import LookPace
from flowforge.web.live import LiveReader

#: Seconds until what a test waits for must have come; reached only when something hangs.
LIMIT = 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look every 10 ms."""

    def end(pace: LookPace) -> None:
        pace.delay = 0.01

    monkeypatch.setattr(LookPace, "end", end)


class _Page:
    """What a page shows, and how often it was looked at."""

    def __init__(self, **fragments: str) -> None:
        self.fragments: Mapping[str, str] = fragments
        self.looks = 0
        self.broken = False

    def render(self) -> Mapping[str, str]:
        self.looks += 1
        if self.broken:
            raise ValueError("it is broken")
        return dict(self.fragments)

    async def looked_at(self, times: int = 2) -> None:
        """Wait until it was looked at so often from now on."""
        goal = self.looks + times
        while self.looks < goal:
            await asyncio.sleep(0.001)


def played(scene: Callable[[LiveReader], Awaitable[None]]) -> None:
    """Play a scene with a reader; nothing of it must go on afterwards."""

    async def all_of_it() -> None:
        await asyncio.wait_for(scene(LiveReader([])), LIMIT)

    # The tests with a browser leave a loop in the main thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(all_of_it())).result()


async def following(texts: AsyncIterator[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await anext(texts))
    return found


def always() -> bool:
    return True


def test_a_browser_gets_what_has_changed() -> None:
    """First all, then what is new, then what is gone."""
    page = _Page(one="1", two="2")

    async def scene(reader: LiveReader) -> None:
        texts = reader.watch("p", page.render, always)
        assert (await following(texts))["fragments"] == {"one": "1", "two": "2"}
        page.fragments = {"one": "3", "two": "2"}
        found = await following(texts)
        assert (found["fragments"], found["gone"]) == ({"one": "3"}, [])
        page.fragments = {"two": "2"}
        found = await following(texts)
        assert (found["fragments"], found["gone"]) == ({}, ["one"])

    played(scene)


def test_a_page_that_does_not_change_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """But how often is looked, from time to time."""
    page = _Page(one="1")

    async def scene(reader: LiveReader) -> None:
        texts = reader.watch("p", page.render, always)
        await following(texts)
        waiting = asyncio.ensure_future(following(texts))
        await page.looked_at()
        assert not waiting.done()
        later = time.monotonic() + 11
        monkeypatch.setattr("flowforge.web.live.time.monotonic", lambda: later)
        found = await waiting
        assert (found["fragments"], found["gone"], found["delay"]) == ({}, [], 0.0)

    played(scene)


def test_browsers_with_the_same_page_share_a_reading() -> None:
    """One that comes later gets at once what is known."""
    page, other = _Page(one="1"), _Page(one="other")

    async def scene(reader: LiveReader) -> None:
        first = reader.watch("p", page.render, always)
        await following(first)
        second = reader.watch("p", other.render, always)
        assert (await following(second))["fragments"] == {"one": "1"}
        page.fragments = {"one": "2"}
        for texts in (first, second):
            assert (await following(texts))["fragments"] == {"one": "2"}
        assert other.looks == 0

    played(scene)


def test_a_browser_that_is_slow_misses_nothing() -> None:
    """It gets the difference to what it has seen, over several looks."""
    page = _Page(one="1", two="1", three="1")

    async def scene(reader: LiveReader) -> None:
        texts = reader.watch("p", page.render, always)
        await following(texts)
        for name in ("one", "two"):
            page.fragments = {**page.fragments, name: "2"}
            await page.looked_at()
        assert (await following(texts))["fragments"] == {"one": "2", "two": "2"}

    played(scene)


def test_a_user_who_is_logged_out_sees_no_more() -> None:
    """Also where whoever knows the users fails; others of the same page go on."""
    page = _Page(one="1")

    async def scene(reader: LiveReader) -> None:
        users = {"kim", "ana", "lee"}

        def failing() -> bool:
            if "lee" not in users:
                raise OSError("the file of users is gone")
            return True

        kim = reader.watch("p", page.render, lambda: "kim" in users)
        ana = reader.watch("p", page.render, lambda: "ana" in users)
        lee = reader.watch("p", page.render, failing)
        for texts in (kim, ana, lee):
            await following(texts)
        users -= {"kim", "lee"}
        page.fragments = {"one": "2"}
        for texts in (kim, lee):
            with pytest.raises(StopAsyncIteration):
                await following(texts)
        assert (await following(ana))["fragments"] == {"one": "2"}

    played(scene)


def test_a_page_that_is_opened_is_looked_at_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for the next look, and the others are not looked at with it."""
    earlier, page = _Page(one="1"), _Page(one="2")

    def end(pace: LookPace) -> None:
        pace.delay = 1000.0

    monkeypatch.setattr(LookPace, "end", end)

    async def scene(reader: LiveReader) -> None:
        await following(reader.watch("p", earlier.render, always))
        assert (await following(reader.watch("q", page.render, always)))["fragments"]
        assert (earlier.looks, page.looks) == (1, 1)

    played(scene)


def test_a_page_that_cannot_be_read_shows_what_it_showed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The other pages go on, and so does this one when it can be read again."""
    broken, page = _Page(one="1"), _Page(one="1")

    async def scene(reader: LiveReader) -> None:
        texts, others = (reader.watch(str(id(p)), p.render, always) for p in (broken, page))
        for one in (texts, others):
            await following(one)
        broken.broken = True
        page.fragments = {"one": "2"}
        assert (await following(others))["fragments"] == {"one": "2"}
        await broken.looked_at()
        broken.broken, broken.fragments = False, {"one": "3"}
        assert (await following(texts))["fragments"] == {"one": "3"}

    played(scene)
    assert "could not be read again" in caplog.text


def test_nothing_is_looked_at_when_nobody_looks() -> None:
    """The last browser has left."""
    page = _Page(one="1")

    async def scene(reader: LiveReader) -> None:
        texts = reader.watch("p", page.render, always)
        await following(texts)
        await texts.aclose()  # type: ignore[attr-defined]  # it is a generator
        looks = page.looks
        again = _Page(one="2")
        others = reader.watch("q", again.render, always)
        await following(others)
        await again.looked_at(3)
        assert page.looks <= looks + 1

    played(scene)
