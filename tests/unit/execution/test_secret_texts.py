"""Values that a text must not tell."""

from __future__ import annotations

from flowforge.execution.secret_texts import without_values


def test_values_are_blanked_out_with_their_parts() -> None:
    """As they are, and as Python and JSON write them; names of params stay."""
    values = ["tea & milk", {"card": ["4111 1111"]}, 1500, True, None]
    text = "no param 'amount': 'tea & milk', 4111 1111, 1500, True"
    assert without_values(text, values) == "no param 'amount': ***, ***, ***, True"


def test_a_value_that_cannot_be_looked_for_leaves_no_text() -> None:
    assert without_values("10", [10**5000]) is None
