"""Conditions on params: each comparison, and what cannot be compared."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from flowforge.errors import InvalidValueError
from flowforge.model.condition import MOST_TERMS, Condition, Term

PARAMS: dict[str, Any] = {
    "amount": 100, "price": Decimal("9.5"), "name": "late fee", "tags": ["a", "b"], "none": None,
    "at": datetime(2026, 1, 1, tzinfo=UTC),
}  # fmt: skip


@pytest.mark.parametrize(
    ("param", "comparison", "value", "holds"),
    [
        ("amount", "==", 100, True),
        ("amount", "==", 101, False),
        ("amount", "!=", 101, True),
        ("amount", "<", 101, True),
        ("amount", "<=", 100, True),
        ("amount", ">", 100, False),
        ("amount", ">=", 100, True),
        ("amount", ">", 99.5, True),
        ("price", ">", 9, True),
        ("price", "<", 9.5, False),
        ("name", "contains", "fee", True),
        ("name", "in", ["late fee", "other"], True),
        ("amount", "in", (1, 2), False),
        ("tags", "contains", "b", True),
        ("tags", "contains", "c", False),
        ("none", "==", None, True),
        ("none", "exists", True, True),
        ("missing", "exists", True, False),
        ("missing", "exists", False, True),
        ("at", "<", datetime(2027, 1, 1, tzinfo=UTC), True),
    ],
)
def test_a_comparison_holds_or_not(param: str, comparison: str, value: Any, holds: bool) -> None:
    """As Python compares."""
    assert Condition.of({param: (comparison, value)}).holds(PARAMS) is holds


@pytest.mark.parametrize("comparison", ["==", "!=", "<", "<=", ">", ">=", "in", "contains"])
def test_a_missing_param_fulfils_nothing(comparison: str) -> None:
    """Not even a comparison that says what it is not."""
    assert not Condition.of({"missing": (comparison, "x")}).holds(PARAMS)


@pytest.mark.parametrize(
    ("param", "comparison", "value"),
    [
        ("name", ">", 5),
        ("amount", "<", "100"),
        ("none", ">=", 0),
        ("amount", "contains", 1),
        ("amount", "in", 100),
        ("tags", "in", {"a"}),
        ("at", "<", datetime(2027, 1, 1)),  # noqa: DTZ001 - without a zone on purpose
        ("price", "<", Decimal("sNaN")),
    ],
)
def test_what_cannot_be_compared_fulfils_nothing(param: str, comparison: str, value: Any) -> None:
    """And raises nothing."""
    assert not Condition.of({param: (comparison, value)}).holds(PARAMS)


def test_an_unknown_comparison_holds_nowhere() -> None:
    """One of a later release."""
    assert not Condition((Term("amount", "matches", "1.*"),)).holds(PARAMS)


def test_several_comparisons_hold_together() -> None:
    """Of several params and of one."""
    both = Condition.of({"amount": [(">", 50), ("<", 200)], "name": ("contains", "late")})
    assert both.holds(PARAMS)
    assert not both.holds({**PARAMS, "amount": 200})
    assert both.text({"name"}) == "amount > 50 and amount < 200 and name contains ***"
    assert Condition.of({"x": ("exists", False)}).text() == "x does not exist"
    assert Condition.of(None).holds({})
    assert Condition.of(None).text() == ""


@pytest.mark.parametrize(
    "when",
    [
        "amount > 100", ["amount"], {1: (">", 2)}, {"amount": 5}, {"amount": (">",)},
        {"amount": ("~", 2)}, {"amount": ("exists", 1)}, {"a": [("==", 1)] * (MOST_TERMS + 1)},
        {"amount": ([], 2)}, {"amount": [5]},
    ],
)  # fmt: skip
def test_what_is_no_condition_is_refused(when: object) -> None:
    """When it is set, not when a worker judges it."""
    with pytest.raises(InvalidValueError, match="when"):
        Condition.of(when)
