"""SVG: a file that stands alone, well-formed whatever the names are."""

from __future__ import annotations

from xml.etree import ElementTree

from flowforge.cli.drawing.subject import Subject
from flowforge.cli.drawing.svg import svg
from flowforge.web.graph.layout import layout
from flowforge.web.graph.picture import picture
from tests.unit.cli.drawing.flows import HOSTILE, flow_of, state

SVG = "{http://www.w3.org/2000/svg}"


def drawn(found: Subject) -> ElementTree.Element:
    placed = layout(found.definition)
    assert placed is not None
    states = found.states or {spec.id: {} for spec in found.definition.routines}
    return ElementTree.fromstring(svg(found, picture(found.definition, placed, states)))


def test_a_flow() -> None:
    root = drawn(Subject(flow_of(["fetch", "end"], [(0, 1)]).definition()))
    assert [text.text for text in root.iter(f"{SVG}text")] == ["fetch", "end"]
    titles = [title.text or "" for title in root.iter(f"{SVG}title")]
    assert titles[0].startswith("flow drawn, definition ")
    assert titles[1:] == ["fetch.out -> end.input", "fetch", "end"]


def test_it_has_its_own_styles_for_light_and_dark_and_loads_nothing() -> None:
    root = drawn(Subject(flow_of(["fetch"], []).definition()))
    (style,) = root.iter(f"{SVG}style")
    assert "prefers-color-scheme: dark" in (style.text or "")
    text = ElementTree.tostring(root, encoding="unicode")
    assert "href" not in text
    assert "@import" not in text
    assert "<script" not in text


def test_a_job_has_a_word_for_its_status() -> None:
    states = {"fetch": state("failed", completed=3, failed=1)}
    root = drawn(Subject(flow_of(["fetch"], []).definition(), "j1", "failed", states))
    assert [text.text for text in root.iter(f"{SVG}text")] == [
        "fetch", "failed", "3 done, 1 failed",
    ]  # fmt: skip


def test_a_hostile_name_stays_text() -> None:
    """Also one with a character that XML has no way to write."""
    root = drawn(Subject(flow_of([HOSTILE, "\uffff"], [(0, 1)]).definition()))
    assert not list(root.iter(f"{SVG}script"))
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert HOSTILE.replace("\u202e", "\\x202e") in titles
    assert "\ufffd" in titles
