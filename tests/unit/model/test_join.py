"""What a join takes, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.errors import DefinitionError
from flowforge.model.join import Join


@pytest.mark.parametrize("timeout", ["x", True, 0, -1, float("nan"), float("inf"), [1]], ids=repr)
def test_a_timeout_is_a_number_of_seconds(timeout: Any) -> None:
    """Above 0, and not for ever."""
    with pytest.raises(DefinitionError, match="the timeout of a join is above 0 seconds"):
        Join.all(timeout=timeout)


@pytest.mark.parametrize("timeout", [1, 0.5, None])
def test_a_join_survives_serialisation(timeout: float | None) -> None:
    """What is stored gives an equal join."""
    join = Join.each("order", count="lines", timeout=timeout, otherwise="fire")
    assert Join.deserialize(join.serialize()) == join
