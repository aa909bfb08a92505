"""How values look on a page."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.web.filters import Branch, branches


@pytest.mark.parametrize("value", [None, 3, "text", [], {}, {"a": 1}, [1, 2], {"a": []}])
def test_a_flat_value_is_no_tree(value: Any) -> None:
    assert branches(value) is None


def test_a_value_within_a_value_is_a_branch() -> None:
    one, text = Branch("0", "1", []), Branch("b", '"x"', [])
    within = Branch("1", "1 in it", [text])
    expected = [Branch("a", "2 in it", [one, within]), Branch("c", "null", [])]
    assert branches({"a": [1, {"b": "x"}], "c": None}) == expected


def test_what_is_too_large_or_too_deep_is_no_tree() -> None:
    """The page shows it as a text."""
    deep: Any = 1
    for _ in range(400):
        deep = [deep]
    assert branches(deep) is None
    assert branches({"a": list(range(1000))}) is None
