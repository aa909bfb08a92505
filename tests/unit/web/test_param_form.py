"""What a form of params says of what was typed."""

from __future__ import annotations

import pytest

from flowforge.errors import InvalidValueError
from flowforge.web.param_form import changes


def test_a_value_that_is_no_json_is_shown() -> None:
    with pytest.raises(InvalidValueError, match=r"the value of colour is no JSON .*'red'"):
        changes({"colour": "blue"}, set(), {"value.0": "red"})


def test_a_secret_is_never_shown() -> None:
    """Not in an error about it either."""
    with pytest.raises(InvalidValueError, match="the value of card is no JSON") as raised:
        changes({"card": "***"}, {"card"}, {"value.0": "4242-very-secret"})
    assert "4242" not in str(raised.value)
