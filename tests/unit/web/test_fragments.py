"""The fragments of an open page, which are made when that which they are made from has changed."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest

from flowforge.web.dashboard import templates
from flowforge.web.filters import FILTERS
from flowforge.web.fragments import FragmentInputs, FragmentMemory, Fragments

PAGE = """
{% macro own() %}{{ count }}{% endmacro %}
{% block main %}
{% call live("numbers") %}{{ made("numbers") or order.count }}{% endcall %}
{% call live("age") %}{{ made("age") or "" }}{{ at|ago }}{% endcall %}
{% set word = count %}
{% call live("word") %}{{ made("word") or word }}{% endcall %}
{% call live("macro") %}{{ made("macro") or own() }}{% endcall %}
{% for one in [1, 2] %}
{% call live("row-" ~ one) %}{{ made("row") or one }}{% endcall %}
{% endfor %}
{% endblock %}
"""


class _OpenPage:
    """A page that is looked at several times."""

    def __init__(self) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.DictLoader({"page": PAGE}), autoescape=True
        )
        self._environment.filters.update(FILTERS)
        self._inputs = FragmentInputs(self._environment).of("page")
        self._memory = FragmentMemory()
        self._made: list[str] = []

    def look(self, count: int = 1) -> tuple[dict[str, str], list[str]]:
        """Its fragments, and which of them were made."""
        self._made.clear()
        fragments = Fragments(inputs=self._inputs, memory=self._memory)
        self._environment.get_template("page").render(
            live=fragments,
            made=self._made.append,
            count=count,
            at=datetime(2026, 1, 1, tzinfo=UTC),
            # No fragment shows when it was updated.
            order=SimpleNamespace(count=count, updated=object()),
        )
        return fragments.found, list(self._made)


def test_a_fragment_is_made_again_when_its_data_have_changed() -> None:
    """What depends on more than the data of the page, or on the time, is made each time."""
    page = _OpenPage()
    first, made = page.look()
    assert made == ["numbers", "age", "word", "macro", "row", "row"]
    assert {name: first[name] for name in ("numbers", "word", "macro", "row-2")} == {
        "numbers": "1", "word": "1", "macro": "1", "row-2": "2",
    }  # fmt: skip
    second, made = page.look()
    assert made == ["age", "word", "macro", "row", "row"]
    assert second["numbers"] == "1"
    third, made = page.look(count=2)
    assert "numbers" in made
    assert third["numbers"] == "2"


def test_a_fragment_is_made_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time that is a day old is written with its date."""
    page = _OpenPage()
    page.look()
    later = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert "numbers" in page.look()[1]


def _nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


def test_data_that_cannot_be_compared_are_taken_as_changed() -> None:
    """Params may be nested more deeply than Python compares."""
    memory = FragmentMemory()
    memory.keep("one", [_nested(3)], "text")
    assert memory.find("one", [_nested(3)]) == "text"
    memory.keep("one", [_nested(100_000)], "text")
    assert memory.find("one", [_nested(100_000)]) is None


def test_fragments_of_the_pages_are_made_from_the_data_of_their_views() -> None:
    """All but those within a loop, and those for which the template sets names of its own."""
    environment = templates()
    inputs = FragmentInputs(environment)
    unknown = set()
    for name in environment.list_templates(["html"]):
        assert environment.loader is not None
        source = environment.loader.get_source(environment, name)[0]
        if len(inputs.of(name)) != source.count("call live("):
            unknown.add(name)
    assert unknown == {"audit.html", "invocation.html", "limit.html", "workers.html"}
