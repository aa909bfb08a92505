"""Names, ids and counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowforge.errors import DefinitionError
from flowforge.model.names import check_name, check_names, check_whole, listing, snake_case


@pytest.mark.parametrize("name", ["a", "order-1", "Überweisung", "a b", "x" * 128, "注文"])
def test_ordinary_names_are_fit(name: str) -> None:
    """Any text that can be read and stored is a name."""
    assert check_name("slot name", name) == name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("x" * 129, "129 characters"),
        ("a\nb", "control"),
        ("a\x00", "control"),
        ("\ud800", "control"),
        (None, "NoneType"),
        (7, "int"),
        (b"a", "bytes"),
    ],
)
def test_an_unfit_name_is_refused_with_the_reason(name: object, why: str) -> None:
    """The error says of what kind the name is and what is wrong with it."""
    with pytest.raises(DefinitionError, match="slot name") as caught:
        check_name("slot name", name)
    assert why in str(caught.value)


def test_a_bare_string_is_no_list_of_names() -> None:
    """``secret="card"`` would hide the params c, a, r and d, so it is refused."""
    with pytest.raises(DefinitionError, match=r"write \['card'\]"):
        check_names("secret", "card")


@pytest.mark.parametrize("value", [True, 1.0, "1", None, 0, -1])
def test_only_whole_numbers_count(value: object) -> None:
    """True, 1.0 and numbers below the least are refused."""
    with pytest.raises(DefinitionError, match="max_in_flight must be a whole number >= 1"):
        check_whole("max_in_flight", value, 1)


@pytest.mark.parametrize("names", [None, 3, True], ids=repr)
def test_what_is_no_list_of_names_is_refused(names: Any) -> None:
    """The error says what was given."""
    with pytest.raises(DefinitionError, match=f"secret must be a list of names, not {names}"):
        check_names("secret", names)


def test_a_listing_of_nothing_says_so() -> None:
    """Error messages never end in an empty list."""
    assert listing([]) == "none"
    assert listing(["a", "b"]) == "'a', 'b'"


@pytest.mark.parametrize(
    ("name", "snake"),
    [
        ("Charge", "charge"),
        ("HTTPFetch", "http_fetch"),
        ("FetchHTTP2", "fetch_http2"),
        ("Page2Text", "page2_text"),
        ("already_snake", "already_snake"),
        ("_Private", "private"),
        ("_", "routine"),
    ],
)
def test_class_names_become_snake_case(name: str, snake: str) -> None:
    """Generated routine ids read like names that people write."""
    assert snake_case(name) == snake


@given(st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_]{0,30}\Z"))
def test_every_class_name_gives_a_fit_id(name: str) -> None:
    """Whatever a class is called, its generated id is lower case and fit."""
    assert check_name("id", snake_case(name)) == snake_case(name).lower()
