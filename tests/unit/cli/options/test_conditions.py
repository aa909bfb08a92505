"""Conditions of breakpoints as they are written on the command line."""

from __future__ import annotations

from typing import Any

import click
import pytest

from flowforge.cli.breakpoints import break_
from flowforge.cli.options.conditions import conditions


def read(*texts: str) -> Any:
    return conditions(click.Context(break_), break_.params[2], texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amount>100", ("amount", ">", 100)),
        ("amount >= 1.5", ("amount", ">=", 1.5)),
        ("status=paid", ("status", "==", "paid")),
        ('status == "1"', ("status", "==", "1")),
        ("a!=null", ("a", "!=", None)),
        ('region in ["eu", "us"]', ("region", "in", ["eu", "us"])),
        ("note contains late fee", ("note", "contains", "late fee")),
        ("card exists", ("card", "exists", True)),
        ("card does not exist", ("card", "exists", False)),
        ("index<=5", ("index", "<=", 5)),
        ("paid==True", ("paid", "==", True)),
        ("status=='paid'", ("status", "==", "paid")),
        ('note==""', ("note", "==", "")),
        ("note==" + "[" * 3000, ("note", "==", "[" * 3000)),
    ],
)
def test_a_comparison_is_read(text: str, expected: tuple[str, str, Any]) -> None:
    """A value is JSON, or what Python's ``repr`` writes; else it is text."""
    param, comparison, value = expected
    assert read(text) == {param: [(comparison, value)]}


def test_several_of_one_param_are_all_kept() -> None:
    """They hold together."""
    assert read("a>1", "a<5", "b exists") == {
        "a": [(">", 1), ("<", 5)], "b": [("exists", True)]
    }  # fmt: skip
    assert read() is None


@pytest.mark.parametrize("text", ["amount", "", ">5", "amount 5", "a exists b"])
def test_what_is_no_comparison_is_refused(text: str) -> None:
    """With examples of some."""
    with pytest.raises(click.BadParameter, match="is no comparison such as amount>100"):
        read(text)


@pytest.mark.parametrize("text", ["amount>", "amount > ", "note contains "])
def test_a_value_is_missing(text: str) -> None:
    """As after a quote that the shell has eaten."""
    with pytest.raises(click.BadParameter, match=r"is no comparison|has no value"):
        read(text)
