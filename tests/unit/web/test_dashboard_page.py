"""The page of the documentation about the dashboard names all that the dashboard has."""

from __future__ import annotations

import re

from flowforge.doctor.attention import AttentionKind
from flowforge.web.needs import WORDS
from flowforge.web.views import PAGES
from tests.support.pages import ROOT

TEXT = (ROOT / "docs/how-to/dashboard.md").read_text()


def test_every_action_is_named_with_its_role() -> None:
    """And none that there is not."""
    rows = re.findall(r"^\| [^|]+ \| ((?:`[^`]+`(?:, )?)+) \| (\w+) \|$", TEXT, re.MULTILINE)
    told = {(name, role) for names, role in rows for name in re.findall("`([^`]+)`", names)}
    assert told == {
        (page.action, page.role.name.lower()) for page in PAGES if page.method == "POST"
    }


def test_every_page_of_the_menu_is_named() -> None:
    names = {page.nav for page in PAGES if page.nav}
    assert {name for name in names if f"**{name}**" not in TEXT} == set()


def test_every_button_of_what_needs_a_person_is_named() -> None:
    """In the table of why a person is needed."""
    section = TEXT[TEXT.index("## What needs a person") :]
    section = section[: section.index("\n## ")]
    named = {word.lower() for word in re.findall(r"\*\*(\w+)\*\*", section)}
    assert {WORDS[kind] for kind in AttentionKind if kind in WORDS} <= named
    assert section.count("\n| ") >= len(AttentionKind)
